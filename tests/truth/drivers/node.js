// node-postgres and node-redis, as drivers.c speaks to them.
// Usage: node.js pg|redis
'use strict'

const AT_ONCE = process.argv[2] === 'redis' ? 32 : 8	// what hangs costs time only
const fs = require('fs')
const dns = require('dns')
const which = process.argv[2]

for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name]

const ask = dns.lookup
dns.lookup = (host, options, done) => {
	if (host !== 'db.internal') return ask(host, options, done)
	if (typeof options === 'function') [options, done] = [{}, options]
	process.nextTick(() => options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4))
}

class Spelling extends Error {}
let driver, version
try {
	driver = require(which === 'pg' ? 'pg' : '@redis/client')
	version = require((which === 'pg' ? 'pg' : '@redis/client') + '/package.json').version + ', node ' + process.version
} catch (e) {
	console.log('absent', e.message.split('\n')[0])
	process.exit(0)
}

async function pgCell(c) {
	const words = { sslmode: c.mode, sslrootcert: c.ca, sslcert: c.cert, sslkey: c.key }
	const query = Object.keys(words).filter((k) => words[k]).map((k) => k + '=' + encodeURIComponent(words[k])).join('&')
	const client = new driver.Client({
		connectionString: `postgresql://${c.user}:${c.password}@${c.host}:${c.port}/postgres?${query}`,
	})
	client.on('error', () => {})
	try {
		await client.connect()
		return client.connection.stream.encrypted === true
	} finally {
		client.connection.stream.destroy()
	}
}

async function redisCell(c) {
	const socket = { host: c.host, port: Number(c.port), connectTimeout: 60000, reconnectStrategy: () => new Error('once is enough') }
	if (c.mode === 'allow' || c.mode === 'prefer') throw new Spelling('there is tls: true and tls: false')
	if (c.mode !== 'disable') {
		socket.tls = true
		socket.servername = c.host
		if (c.mode === 'require') socket.rejectUnauthorized = false
		if (c.mode === 'verify-ca') socket.checkServerIdentity = () => undefined
		if (c.ca) socket.ca = fs.readFileSync(c.ca)
		if (c.cert) {
			socket.cert = fs.readFileSync(c.cert)
			socket.key = fs.readFileSync(c.key)
		}
	}
	let fault = null, said
	const client = driver.createClient({ socket })
	client.on('error', (e) => { fault = fault || e; said && said(e) })
	try {
		await Promise.race([
			(async () => { await client.connect(); await client.ping() })(),
			new Promise((_, no) => { said = no; if (fault) no(fault) }),
		])
		return c.mode !== 'disable'
	} catch (e) {
		throw fault || e
	} finally {
		client.disconnect().catch(() => {})
	}
}

const cell = which === 'pg' ? pgCell : redisCell
const queue = []
let running = 0

async function one(c) {
	let timer, answer
	const late = new Promise((done) => { timer = setTimeout(done, Number(c.deadline), 'hangs') })
	try {
		const r = await Promise.race([cell(c), late])
		answer = r === 'hangs' ? 'hangs' : 'ok\t' + (r ? 'tls' : 'plain')
	} catch (e) {
		answer = (e instanceof Spelling ? 'spelling\t' : 'error\t') + String(e && e.message).replace(/\s+/g, ' ')
	}
	clearTimeout(timer)
	process.stdout.write(c.id + '\t' + answer + '\n')
	running--
	next()
}

function next() {
	while (running < AT_ONCE && queue.length > 0) {
		running++
		one(queue.shift())
	}
}

process.stdout.on('error', () => process.exit(1))
process.on('uncaughtException', (e) => { process.stderr.write('uncaught: ' + e.stack + '\n') })
process.on('unhandledRejection', () => {})
console.log('ready', version)
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
	queue.push(Object.fromEntries(line.split('\t').map((w) => [w.slice(0, w.indexOf('=')), w.slice(w.indexOf('=') + 1)])))
	next()
}).on('close', () => { if (running === 0 && queue.length === 0) process.exit(0) })
