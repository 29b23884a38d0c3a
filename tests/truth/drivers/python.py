# asyncpg, SQLAlchemy's asyncpg dialect and redis-py, as drivers.c speaks to them.
# Usage: python.py asyncpg|sqlalchemy|redis

import asyncio
import os
import socket
import sys

which = sys.argv[1]
AT_ONCE = 32 if which == "redis" else 8  # what hangs costs time only

for name in list(os.environ):
    if name.startswith(("PG", "SSL_CERT")):
        del os.environ[name]

ask = socket.getaddrinfo


def getaddrinfo(host, *args, **kwargs):
    return ask("127.0.0.1" if host in ("db.internal", b"db.internal") else host, *args, **kwargs)


socket.getaddrinfo = getaddrinfo


class Spelling(Exception):
    pass


def is_tls(transport):
    return transport.get_extra_info("ssl_object") is not None


async def asyncpg_cell(c):
    import urllib.parse

    words = {
        "sslrootcert": c.get("ca"), "sslcert": c.get("cert"), "sslkey": c.get("key"),
        "ssl_min_protocol_version": c.get("min"), "ssl_max_protocol_version": c.get("max"),
    }
    query = urllib.parse.urlencode({k: v for k, v in words.items() if v})
    con = await asyncpg.connect(
        dsn="postgresql://%s:%s@%s:%s/postgres?%s" % (c["user"], c["password"], c["host"], c["port"], query)
        if query else "postgresql://%s:%s@%s:%s/postgres" % (c["user"], c["password"], c["host"], c["port"]),
        ssl=c["mode"], timeout=60)
    tls = is_tls(con._transport)
    con.terminate()
    return tls


async def sqlalchemy_cell(c):
    # The URL has no word for the files (sslrootcert= is a TypeError): the environment has.
    # It is read before the first wait of connect(), so that another cell cannot change it.
    env = {
        "PGSSLROOTCERT": c.get("ca"), "PGSSLCERT": c.get("cert"), "PGSSLKEY": c.get("key"),
        "PGSSLMINPROTOCOLVERSION": c.get("min"), "PGSSLMAXPROTOCOLVERSION": c.get("max"),
    }
    url = "postgresql+asyncpg://%s:%s@%s:%s/postgres?%s" % (
        c["user"], c["password"], c["host"], c["port"], c.get("words") or "ssl=" + c["mode"])
    engine = create_async_engine(url, poolclass=NullPool)
    pool_connect = engine.sync_engine.dialect.connect
    for k, v in env.items():
        if v:
            os.environ[k] = v
        else:
            os.environ.pop(k, None)
    try:
        # The dialect's own way to its driver, without the questions that a first connection
        # of an engine asks the server.
        args, kwargs = engine.sync_engine.dialect.create_connect_args(engine.url)
        con = await greenlet_spawn(pool_connect, *args, **kwargs)
    except TypeError as e:
        raise Spelling(str(e))
    raw = con._connection
    tls = is_tls(raw._transport)
    raw.terminate()
    return tls


def redis_connect(c):
    mode = c["mode"]
    kw = {}
    if mode in ("allow", "prefer"):
        raise Spelling("there is ssl=True and ssl=False")
    if mode != "disable":
        kw = {"ssl": True, "ssl_cert_reqs": "none" if mode == "require" else "required",
              "ssl_check_hostname": mode == "verify-full"}
        if "ca" in c:
            kw["ssl_ca_certs"] = c["ca"]
        if "cert" in c:
            kw["ssl_certfile"] = c["cert"]
            kw["ssl_keyfile"] = c["key"]
    r = redis.Redis(host=c["host"], port=int(c["port"]), socket_timeout=float(c["deadline"]) / 1000,
                    socket_connect_timeout=float(c["deadline"]) / 1000,
                    retry_on_timeout=False, single_connection_client=False, **kw)
    con = r.connection_pool.get_connection("PING")
    try:
        con.send_command("PING")
        con.read_response()
        import ssl
        return isinstance(con._sock, ssl.SSLSocket)
    finally:
        con.disconnect()


async def redis_cell(c):
    return await asyncio.get_running_loop().run_in_executor(threads, redis_connect, c)


async def one(c, cell, gate):
    async with gate:
        try:
            tls = await asyncio.wait_for(cell(c), float(c["deadline"]) / 1000)
            answer = "ok\t" + ("tls" if tls else "plain")
        except Spelling as e:
            answer = "spelling\t" + str(e)
        except asyncio.TimeoutError:
            answer = "hangs"
        except Exception as e:
            if which == "redis" and isinstance(e, redis.exceptions.TimeoutError):
                answer = "hangs"
            else:
                answer = "error\t%s: %s" % (type(e).__name__, " ".join(str(e).split()))
        print(c["id"] + "\t" + answer, flush=True)


async def main(cell):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    gate = asyncio.Semaphore(AT_ONCE)
    running = set()
    while line := await reader.readline():
        c = dict(word.split("=", 1) for word in line.decode().rstrip("\n").split("\t"))
        task = asyncio.ensure_future(one(c, cell, gate))
        running.add(task)
        task.add_done_callback(running.discard)
    if running:
        await asyncio.wait(running)


try:
    if which == "asyncpg":
        import asyncpg
        version, cell = asyncpg.__version__, asyncpg_cell
    elif which == "sqlalchemy":
        import asyncpg
        import sqlalchemy
        from sqlalchemy.ext.asyncio import create_async_engine
        from sqlalchemy.pool import NullPool
        from sqlalchemy.util import greenlet_spawn
        version, cell = sqlalchemy.__version__ + ", asyncpg " + asyncpg.__version__, sqlalchemy_cell
    else:
        import concurrent.futures
        import redis
        threads = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        version, cell = redis.__version__, redis_cell
except ImportError as e:
    print("absent", e)
    sys.exit(0)
print("ready", version, flush=True)
asyncio.run(main(cell))
