/* The cases of proof_test.c: what is wrong with each stands in its name. */

#define WEB "web -> postgres"
#define JOB "job -> postgres"
#define POOL_LEG "pgbouncer -> postgres"
#define FRONT INSTALL ACCEPT("pg-both", "postgres", "both")
#define LEG FLIP("leg", POOL_LEG, "verify-full")
#define POOL_BOTH ACCEPT("pool-both", "pgbouncer", "both")
#define POOL_FLIP FLIP("flip-web", "web -> pgbouncer", "verify-full")
#define POOL_TLS ACCEPT("pool-tls", "pgbouncer", "tls")

/* A client on the server's own unit: one file for both, or one each. */
#define TOGETHER(file) HEAD "units:\n" UNIT("pg", "db", "restart") PG_CERT ENDPOINTS POSTGRES("") CLIENTS \
	CLIENT("app", "pg", "", "postgres: { match: { host: db }, dial: { file: /srv/" file ".env, set: { DIAL: \"$(dial)\" } } }")
/* A Redis that has one port: nothing is dual there. */
#define ONE_PORT(units, unit, file) HEAD units REDIS_CERT \
	"endpoints:\n  redis: { kind: redis, unit: redis, listen: { both: 6379 }, names: [redis.internal], accept: { " \
	"plain: { file: /srv/redis.env, unset: [TLS] }, tls: { file: /srv/redis.env, set: { TLS: on } } } }\n" \
	"clients:\n  web: { unit: " unit ", links: { redis: { match: { host: web }, dial: { file: /srv/" file ".env, " \
	"set: { DIAL: \"$(dial)\" } } } } }\n"
#define ROTATION(link) HEAD APART "certs:\n  internal: { serves: [postgres], dir: /etc/tls }\n" \
	"  renewed: { serves: [postgres], dir: /etc/tls-2 }\n" ENDPOINTS POSTGRES("") CLIENTS \
	CLIENT("web", "web", "", "postgres: { match: { host: web }, " link DIALS("web", "postgres") " }")

static const struct trial trials[] = {
	{ "forced_before_the_last_client_has_flipped", DIRECT("", "", ""), PLAIN,
	  FRONT FLIP("web", WEB, "verify-full") ACCEPT("pg-tls", "postgres", "tls") FLIP("job", JOB, "verify-full"),
	  "after step 4 'pg-tls': job -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  "plan.yaml:8:5: after step 4 'pg-tls': job -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "  step 1 'certs' to step 4 'pg-tls' are applied\n"
	  "  then postgres accepts tls and serves internal; job -> postgres, from host job, dials disable and trusts none\n"
	  "  at once: what is restarted there has to connect again\n"
	  "  safe instead: step 4 'pg-tls' after step 5 'job'\n", NULL },
	{ "forced_when_the_last_client_has_flipped", DIRECT("", "", ""), PLAIN,
	  FRONT FLIP("web", WEB, "verify-full") FLIP("job", JOB, "verify-full") ACCEPT("pg-tls", "postgres", "tls"),
	  "",
	  NULL, NULL },
	{ "leaf_of_another_ca_before_its_clients_trust_it", ROTATION("trust: { ca: internal, file: /etc/web-ca.crt }, "), "from: { accept: tls, dial: verify-full, certs: [internal] }\n",
	  STEP("swap", "certs: { renewed: install }"),
	  "after step 1 'swap': web -> postgres is refused: the client's CA file does not hold the CA of the certificate served\n",
	  NULL, NULL },
	{ "leaf_renewed_under_its_ca", DIRECT("", "", ""), "from: { accept: tls, dial: verify-full, certs: internal }\n",
	  STEP("renew", "certs: { internal: renew }"),
	  "",
	  NULL, NULL },
	{ "flipped_before_both", DIRECT("", "", ""), PLAIN,
	  INSTALL FLIP("web", WEB, "verify-full") ACCEPT("pg-both", "postgres", "both"),
	  "after step 2 'web': web -> postgres is refused: the client insists on tls and the endpoint accepts plaintext only\n",
	  NULL, NULL },
	{ "verify_full_before_the_ca_is_there", DIRECT("", "", ""), PLAIN,
	  FRONT DIAL("web-dial", WEB, "verify-full") TRUST("web-ca", WEB),
	  "after step 3 'web-dial': web -> postgres is refused: the client verifies and has no CA file\n",
	  NULL, NULL },
	{ "verify_full_when_the_ca_is_there", DIRECT("", "", ""), PLAIN,
	  FRONT TRUST("web-ca", WEB) DIAL("web-dial", WEB, "verify-full"),
	  "",
	  NULL, NULL },
	{ "the_dial_of_a_step_is_written_before_its_ca", HEAD APART PG_CERT ENDPOINTS POSTGRES("") CLIENTS
	  CLIENT("web", "web", "", "postgres: { match: { host: web }, " DIALS("web", "postgres")
	  ", trust: { ca: internal, install: [ { env: { file: /srv/ca.env, set: { CA: \"$(ca.b64)\" } } } ] } }"), PLAIN,
	  FRONT "  - id: flip\n    dial: { \"web -> postgres\": verify-full }\n    trust: { \"web -> postgres\": internal }\n",
	  "in the middle of step 3 'flip': web -> postgres is refused: the client verifies and has no CA file\n",
	  "plan.yaml:7:5: in the middle of step 3 'flip': web -> postgres is refused: the client verifies and has no CA file\n"
	  "  step 1 'certs' to step 2 'pg-both' are applied\n"
	  "  step 3 'flip', or its undo, is in flight\n"
	  "    written: web -> postgres dials verify-full\n"
	  "    web is activated, or restarted by somebody: it runs what is written there\n"
	  "  then postgres accepts both and serves internal; web -> postgres, from host web, dials verify-full and trusts none\n"
	  "  at once: what is restarted there has to connect again\n", NULL },
	{ "both_before_the_certificate", DIRECT("", "", ""), PLAIN,
	  ACCEPT("pg-both", "postgres", "both") INSTALL,
	  "after step 1 'pg-both': web -> postgres is refused: the endpoint is to speak TLS and no certificate is installed for it\n"
	  "after step 1 'pg-both': job -> postgres is refused: the endpoint is to speak TLS and no certificate is installed for it\n",
	  NULL, NULL },
	{ "the_pool_dials_tls_before_postgres_offers_it", STACK, PLAIN,
	  INSTALL LEG ACCEPT("pg-both", "postgres", "both"),
	  "after step 2 'leg': pgbouncer -> postgres is refused: the client insists on tls and the endpoint accepts plaintext only\n"
	  "after step 2 'leg': web -> pgbouncer hangs: pgbouncer -> postgres is refused: the client insists on tls and the endpoint accepts plaintext only\n",
	  NULL, NULL },
	{ "postgres_is_forced_while_the_pool_dials_plaintext", STACK, PLAIN,
	  FRONT ACCEPT("pg-tls", "postgres", "tls") LEG,
	  "after step 3 'pg-tls': pgbouncer -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "after step 3 'pg-tls': web -> pgbouncer hangs: pgbouncer -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  "plan.yaml:7:5: after step 3 'pg-tls': web -> pgbouncer hangs: pgbouncer -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "  step 1 'certs' to step 3 'pg-tls' are applied\n"
	  "  then postgres accepts tls and serves internal; pgbouncer -> postgres, from host db, dials disable and trusts none\n"
	  "  at once: what is restarted there has to connect again\n"
	  "  safe instead: step 3 'pg-tls' after step 4 'leg'\n", NULL },
	{ "postgres_is_forced_when_the_pool_dials_tls", STACK, PLAIN,
	  FRONT LEG POOL_BOTH POOL_FLIP POOL_TLS ACCEPT("pg-tls", "postgres", "tls"),
	  "",
	  NULL, NULL },
	{ "the_pool_is_forced_before_its_client_flips", STACK, PLAIN,
	  FRONT LEG POOL_BOTH POOL_TLS POOL_FLIP,
	  "after step 5 'pool-tls': web -> pgbouncer is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  "plan.yaml:9:5: after step 5 'pool-tls': web -> pgbouncer is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "  step 1 'certs' to step 5 'pool-tls' are applied\n"
	  "  then pgbouncer accepts tls and serves internal; web -> pgbouncer, from host web, dials disable and trusts none\n"
	  "  open sessions go on; it fails when they connect again\n"
	  "  safe instead: step 5 'pool-tls' after step 6 'flip-web'\n", NULL },
	{ "and_what_is_still_connected_is_ended_before_it_flips", DRAINED_STACK, PLAIN,
	  FRONT LEG POOL_BOTH POOL_TLS STEP("end", "drain: { pgbouncer: plaintext }") POOL_FLIP,
	  "after step 5 'pool-tls': web -> pgbouncer is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  "plan.yaml:9:5: after step 5 'pool-tls': web -> pgbouncer is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "  step 1 'certs' to step 5 'pool-tls' are applied\n"
	  "  then pgbouncer accepts tls and serves internal; web -> pgbouncer, from host web, dials disable and trusts none\n"
	  "  open sessions go on until step 6 'end' ends those on plaintext: they cannot connect again, which is an outage\n"
	  "  safe instead: step 5 'pool-tls' after step 7 'flip-web'\n", NULL },
	{ "and_what_is_still_connected_is_ended_after_it_flips", DRAINED_STACK, PLAIN,
	  FRONT LEG POOL_BOTH POOL_TLS POOL_FLIP STEP("end", "drain: { pgbouncer: plaintext }"),
	  "after step 5 'pool-tls': web -> pgbouncer is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  "plan.yaml:9:5: after step 5 'pool-tls': web -> pgbouncer is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "  step 1 'certs' to step 5 'pool-tls' are applied\n"
	  "  then pgbouncer accepts tls and serves internal; web -> pgbouncer, from host web, dials disable and trusts none\n"
	  "  open sessions go on; it fails when they connect again\n"
	  "  safe instead: step 5 'pool-tls' after step 6 'flip-web'\n", NULL },
	{ "one_restart_takes_the_pool_and_postgres", ONE_STACK, PLAIN,
	  FRONT LEG POOL_BOTH POOL_FLIP POOL_TLS ACCEPT("pg-tls", "postgres", "tls"),
	  "",
	  NULL, NULL },
	{ "a_health_check_is_fixed_on_plaintext", HEAD APART REDIS_CERT ENDPOINTS REDIS CLIENTS
	  CLIENT("web", "web", "", BOUND("web", "redis", ""))
	  CLIENT("health", "redis", "", "redis: { match: { host: db }, dial: { fixed: disable } }"), PLAIN,
	  INSTALL ACCEPT("redis-both", "redis", "both") FLIP("web", "web -> redis", "verify-full")
	  ACCEPT("redis-tls", "redis", "tls"),
	  "after step 4 'redis-tls': health -> redis is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  NULL, NULL },
	{ "a_link_that_is_refused_before_anything_is_done", DIRECT("", "", ""), "from: { accept: plain, dial: require }\n",
	  INSTALL,
	  "before the first step: web -> postgres is refused: the client insists on tls and the endpoint accepts plaintext only\n"
	  "before the first step: job -> postgres is refused: the client insists on tls and the endpoint accepts plaintext only\n",
	  NULL, NULL },
	{ "one_file_and_one_unit_change_at_once", TOGETHER("postgres"), PLAIN,
	  INSTALL STEP("force", "accept: { postgres: tls }, dial: { \"app -> postgres\": require }"),
	  "",
	  NULL, NULL },
	{ "two_files_of_one_unit_do_not", TOGETHER("app"), PLAIN,
	  INSTALL STEP("force", "accept: { postgres: tls }, dial: { \"app -> postgres\": require }"),
	  "in the middle of step 2 'force': app -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  "plan.yaml:6:5: in the middle of step 2 'force': app -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "  step 1 'certs' is applied\n"
	  "  step 2 'force', or its undo, is in flight\n"
	  "    written: postgres accepts tls\n"
	  "    pg is activated, or restarted by somebody: it runs what is written there\n"
	  "  then postgres accepts tls and serves internal; app -> postgres, from host db, dials disable and trusts none\n"
	  "  at once: what is restarted there has to connect again\n", NULL },
	{ "client_and_server_on_two_units", DIRECT("", "", ""), PLAIN,
	  INSTALL STEP("force", "accept: { postgres: tls }, dial: { \"web -> postgres\": require, \"job -> postgres\": require }"),
	  "in the middle of step 2 'force': web -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "in the middle of step 2 'force': job -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  "plan.yaml:6:5: in the middle of step 2 'force': job -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "  step 1 'certs' is applied\n"
	  "  step 2 'force', or its undo, is in flight\n"
	  "    written: postgres accepts tls\n"
	  "    pg is activated, or restarted by somebody: it runs what is written there\n"
	  "    job still runs what it ran before the step\n"
	  "  then postgres accepts tls and serves internal; job -> postgres, from host job, dials disable and trusts none\n"
	  "  at once: what is restarted there has to connect again\n", NULL },
	{ "mutual_before_the_clients_show_a_certificate", DIRECT("", "", ""), PLAIN,
	  FRONT FLIP("web", WEB, "verify-full") FLIP("job", JOB, "verify-full") ACCEPT("pg-mutual", "postgres", "mutual"),
	  "after step 5 'pg-mutual': web -> postgres is refused: the endpoint demands a client certificate and the client shows none\n"
	  "after step 5 'pg-mutual': job -> postgres is refused: the endpoint demands a client certificate and the client shows none\n",
	  NULL, NULL },
	{ "a_stored_md5_hash_under_scram", DIRECT("auth: { plain: md5, both: md5, tls: scram-sha-256 }, ", "", "stored: md5, "),
	  PLAIN, FRONT FLIP("web", WEB, "verify-full") FLIP("job", JOB, "verify-full") ACCEPT("pg-tls", "postgres", "tls"),
	  "after step 5 'pg-tls': web -> postgres is refused: the role's password is not stored as the method needs it, so authentication fails\n",
	  NULL, "job -> postgres\n" },
	{ "a_stored_scram_secret_under_scram", DIRECT("auth: { plain: md5, both: md5, tls: scram-sha-256 }, ", "", "stored: scram-sha-256, "),
	  PLAIN, FRONT FLIP("web", WEB, "verify-full") FLIP("job", JOB, "verify-full") ACCEPT("pg-tls", "postgres", "tls"),
	  "",
	  NULL, "job -> postgres\n" },
	{ "tls_1_3_is_the_least_and_the_client_knows_1_2", DIRECT("protocol: { min: TLSv1.3 }, ", "speaks: TLSv1.2, ", ""),
	  PLAIN, FRONT FLIP("web", WEB, "require"),
	  "after step 3 'web': web -> postgres is refused: client and endpoint have no version of TLS in common\n",
	  NULL, NULL },
	{ "prefer_hides_it_until_plaintext_is_closed", DIRECT("protocol: { min: TLSv1.3 }, ", "speaks: TLSv1.2, ", ""),
	  PLAIN, FRONT DIAL("web", WEB, "prefer") FLIP("job", JOB, "verify-full") ACCEPT("pg-tls", "postgres", "tls"),
	  "after step 5 'pg-tls': web -> postgres is refused: client and endpoint have no version of TLS in common\n",
	  NULL, NULL },
	{ "a_later_step_needs_one_that_may_be_skipped", DIRECT("", "", ""), PLAIN,
	  FRONT FLIP("web", WEB, "verify-full") STEP("job", "trust: { \"job -> postgres\": internal }, "
	  "dial: { \"job -> postgres\": verify-full }, optional: yes") ACCEPT("pg-tls", "postgres", "tls"),
	  "after step 5 'pg-tls': job -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  "plan.yaml:9:5: after step 5 'pg-tls': job -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "  step 1 'certs' to step 5 'pg-tls' are applied\n"
	  "  but step 4 'job', which is optional, is not\n"
	  "  then postgres accepts tls and serves internal; job -> postgres, from host job, dials disable and trusts none\n"
	  "  at once: what is restarted there has to connect again\n", NULL },
	{ "a_stray_client_certificate", DIRECT("client-certificates: asked, ", "", "shows: stray, "), PLAIN,
	  FRONT FLIP("web", WEB, "require"),
	  "after step 3 'web': web -> postgres is refused: the endpoint asks for a client certificate and does not know the CA of the one shown\n",
	  NULL, NULL },
	{ "a_redis_of_one_port_flipped_first", ONE_PORT(APART, "web", "web"), PLAIN,
	  INSTALL DIAL("web", "web -> redis", "require") ACCEPT("redis-tls", "redis", "tls"),
	  "after step 2 'web': web -> redis hangs: the client dials tls at a plaintext port of Redis, which never answers that\n",
	  NULL, NULL },
	{ "a_redis_of_one_port_forced_first", ONE_PORT(APART, "web", "web"), PLAIN,
	  INSTALL ACCEPT("redis-tls", "redis", "tls") DIAL("web", "web -> redis", "require"),
	  "after step 2 'redis-tls': web -> redis is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  NULL, NULL },
	{ "a_redis_of_one_port_excused", ONE_PORT(APART, "web", "web"), PLAIN,
	  INSTALL STEP("redis-tls", "accept: { redis: tls }, dial: { \"web -> redis\": require }, "
	  "may-refuse: { web: a cache that may be cold for a minute }"),
	  "",
	  NULL, NULL },
	{ "a_rotation_puts_a_new_ca_under_clients_that_verify", ROTATION("trust: { ca: internal, file: /etc/ca.crt }, "), PLAIN,
	  FRONT FLIP("web", WEB, "verify-full") ACCEPT("pg-tls", "postgres", "tls")
	  STEP("rotate", "certs: { renewed: install }"),
	  "after step 5 'rotate': web -> postgres is refused: the client's CA file does not hold the CA of the certificate served\n",
	  "plan.yaml:9:5: after step 5 'rotate': web -> postgres is refused: the client's CA file does not hold the CA of the certificate served\n"
	  "  step 1 'certs' to step 5 'rotate' are applied\n"
	  "  then postgres accepts tls and serves renewed; web -> postgres, from host web, dials verify-full and trusts internal\n"
	  "  at once: what is restarted there has to connect again\n", NULL },
	{ "a_rotation_under_clients_that_do_not_verify", ROTATION(""), PLAIN,
	  FRONT DIAL("web", WEB, "require") ACCEPT("pg-tls", "postgres", "tls")
	  STEP("rotate", "certs: { renewed: install }"),
	  "",
	  NULL, NULL },
	{ "a_wildcard_does_not_cover_what_is_dialled", HEAD APART
	  "certs:\n  internal: { serves: [postgres], names: [\"*.svc.cluster.local\"], dir: /etc/tls }\n"
	  ENDPOINTS POSTGRES("") CLIENTS CLIENT("web", "web", "", BOUND("web", "postgres", "at: auth-db, ")), PLAIN,
	  FRONT FLIP("web", WEB, "verify-full"),
	  "after step 3 'web': web -> postgres is refused: the certificate served does not cover the name dialled\n",
	  NULL, NULL },
	{ "a_wildcard_does_for_who_checks_no_name", HEAD APART
	  "certs:\n  internal: { serves: [postgres], names: [\"*.svc.cluster.local\"], dir: /etc/tls }\n"
	  ENDPOINTS POSTGRES("") CLIENTS CLIENT("web", "web", "", BOUND("web", "postgres", "at: auth-db, ")), PLAIN,
	  FRONT FLIP("web", WEB, "verify-ca"),
	  "",
	  NULL, NULL },
	{ "node_postgres_verifies_when_it_is_told_require", DIRECT("", "", "driver: node-postgres, "), PLAIN,
	  FRONT DIAL("web", WEB, "require"),
	  "after step 3 'web': web -> postgres is refused: the client verifies and trusts the system's CAs only\n",
	  NULL, NULL },
	{ "a_nightly_job_is_fixed_on_plaintext", HEAD APART PG_CERT ENDPOINTS POSTGRES("") CLIENTS
	  CLIENT("web", "web", "", BOUND("web", "postgres", ""))
	  CLIENT("backup", "job", "", "postgres: { match: { host: job }, dial: { fixed: disable } }"), PLAIN,
	  FRONT FLIP("web", WEB, "verify-full") ACCEPT("pg-tls", "postgres", "tls"),
	  "after step 4 'pg-tls': backup -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  NULL, NULL },
	{ "a_collector_is_told_to_verify_and_has_no_ca", HEAD APART REDIS_CERT
	  "endpoints:\n  redis: { kind: redis, unit: redis, listen: { plain: 6379, tls: 6380 }, names: [redis.internal], accept: { "
	  "plain: { file: /srv/redis.env, unset: [TLS] }, both: { file: /srv/redis.env, set: { TLS: on }, "
	  "implies: { \"otel -> redis\": verify-full } } } }\n" CLIENTS
	  CLIENT("otel", "redis", "", "redis: { match: { host: db }, dial: follows }"), PLAIN,
	  INSTALL ACCEPT("redis-both", "redis", "both"),
	  "after step 2 'redis-both': otel -> redis is refused: the client verifies and trusts the system's CAs only\n",
	  NULL, NULL },
	{ "a_link_that_follows_is_taken_along_too_early", HEAD APART
	  "certs:\n  internal: { serves: [postgres, replica], dir: /etc/tls }\n" ENDPOINTS POSTGRES("")
	  ENDPOINT("replica", "postgres", "job", "both: 5432", "") CLIENTS
	  CLIENT("web", "web", "", BOUND("web", "postgres", "") ", replica: { match: { host: web }, dial: { follows: \"web -> postgres\" } }"),
	  PLAIN, FRONT FLIP("web", WEB, "require") ACCEPT("replica-both", "replica", "both"),
	  "after step 3 'web': web -> replica is refused: the client insists on tls and the endpoint accepts plaintext only\n",
	  NULL, NULL },
	{ "require_verifies_as_soon_as_there_is_a_ca", ROTATION("trust: { ca: renewed, file: /etc/ca.crt }, "), PLAIN,
	  FRONT DIAL("web", WEB, "require") STEP("web-ca", "trust: { \"web -> postgres\": renewed }"),
	  "after step 4 'web-ca': web -> postgres is refused: the client's CA file does not hold the CA of the certificate served\n",
	  NULL, NULL },
	{ "a_plan_that_goes_back_too_early", DIRECT("", "", ""), PLAIN,
	  FRONT FLIP("web", WEB, "verify-full") ACCEPT("pg-plain", "postgres", "plain"),
	  "after step 4 'pg-plain': web -> postgres is refused: the client insists on tls and the endpoint accepts plaintext only\n",
	  NULL, NULL },
	{ "nobody_told_how_it_begins", DIRECT("", "", ""), "from: { accept: plain }\n",
	  FRONT ACCEPT("pg-tls", "postgres", "tls"),
	  "after step 3 'pg-tls': web -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "after step 3 'pg-tls': job -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  "plan.yaml:7:5: after step 3 'pg-tls': job -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "  step 1 'certs' to step 3 'pg-tls' are applied\n"
	  "  then postgres accepts tls and serves internal; job -> postgres, from host job, dials disable and trusts none\n"
	  "  how it dials or is accepted at the start is not known; this is possible\n"
	  "  at once: what is restarted there has to connect again\n", NULL },
	{ "an_excuse_for_another_step", DIRECT("", "", ""), PLAIN,
	  FRONT STEP("web", "trust: { \"web -> postgres\": internal }, dial: { \"web -> postgres\": verify-full }, "
	  "may-refuse: { job: it runs at night }") ACCEPT("pg-tls", "postgres", "tls"),
	  "after step 4 'pg-tls': job -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  NULL, NULL },
	{ "a_certificate_that_lands_when_it_is_needed", HEAD APART PG_CERT_LANDS ENDPOINTS POSTGRES("") CLIENTS
	  CLIENT("web", "web", "", "postgres: { match: { host: web }, " DIALS("web", "postgres")
	  ", trust: { ca: internal, file: /etc/ca.crt, lands: activation } }"), PLAIN,
	  FRONT FLIP("flip", WEB, "verify-full") ACCEPT("pg-tls", "postgres", "tls"),
	  "",
	  NULL, NULL },
	{ "a_client_without_a_unit_reads_what_is_there", HEAD APART PG_CERT ENDPOINTS POSTGRES("") CLIENTS
	  "  backup: { host: job, links: { " BOUND("job", "postgres", "") " } }\n", PLAIN,
	  FRONT STEP("flip", "dial: { \"backup -> postgres\": verify-full }") STEP("ca", "trust: { \"backup -> postgres\": internal }"),
	  "after step 3 'flip': backup -> postgres is refused: the client verifies and has no CA file\n",
	  "plan.yaml:7:5: after step 3 'flip': backup -> postgres is refused: the client verifies and has no CA file\n"
	  "  step 1 'certs' to step 3 'flip' are applied\n"
	  "  then postgres accepts both and serves internal; backup -> postgres, from host job, dials verify-full and trusts none\n"
	  "  open sessions go on; it fails when they connect again\n"
	  "  safe instead: step 3 'flip' after step 4 'ca'\n", NULL },
	{ "on_the_way_back_a_client_without_a_unit_goes_first", HEAD APART PG_CERT ENDPOINTS POSTGRES("") CLIENTS
	  "  backup: { host: db, links: { postgres: { match: { host: db }, dial: { file: /srv/postgres.env, set: { DIAL: \"$(dial)\" } } } } }\n",
	  PLAIN, FRONT STEP("force", "accept: { postgres: tls }, dial: { \"backup -> postgres\": require }"),
	  "in the middle of step 3 'force': backup -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n",
	  "plan.yaml:7:5: in the middle of step 3 'force': backup -> postgres is refused: the endpoint accepts tls only and the client dials plaintext\n"
	  "  step 1 'certs' to step 2 'pg-both' are applied\n"
	  "  step 3 'force', or its undo, is in flight\n"
	  "    written: backup -> postgres dials require\n"
	  "    written: postgres accepts tls\n"
	  "    pg is activated, or restarted by somebody: it runs what is written there\n"
	  "    taken back: postgres accepts tls\n"
	  "    taken back: backup -> postgres dials require\n"
	  "  then postgres accepts tls and serves internal; backup -> postgres, from host db, dials disable and trusts none\n"
	  "  at once: what is restarted there has to connect again\n", NULL },
	/* The same certificate, taken up by a step of its own: the client trusts another one. */
	{ "a_step_that_names_the_unit_takes_it_up", HEAD APART
	  "certs:\n  internal: { serves: [postgres], dir: /etc/tls }\n  renewed: { serves: [postgres], dir: /etc/tls-2, lands: activation }\n"
	  ENDPOINTS POSTGRES("") CLIENTS CLIENT("web", "web", "", "postgres: { match: { host: web }, "
	  "trust: { ca: internal, file: /etc/ca.crt }, " DIALS("web", "postgres") " }"), PLAIN,
	  FRONT FLIP("flip", WEB, "require") STEP("renew", "certs: { renewed: install }, activate: [pg]"),
	  "after step 4 'renew': web -> postgres is refused: the client's CA file does not hold the CA of the certificate served\n",
	  "plan.yaml:8:5: after step 4 'renew': web -> postgres is refused: the client's CA file does not hold the CA of the certificate served\n"
	  "  step 1 'certs' to step 4 'renew' are applied\n"
	  "  then postgres accepts both and serves renewed; web -> postgres, from host web, dials require and trusts internal\n"
	  "  at once: what is restarted there has to connect again\n", NULL },
	{ "somebody_restarts_what_no_step_activates", HEAD APART
	  "certs:\n  internal: { serves: [postgres], dir: /etc/tls }\n  renewed: { serves: [postgres], dir: /etc/tls-2, lands: activation }\n"
	  ENDPOINTS POSTGRES("") CLIENTS CLIENT("web", "web", "", "postgres: { match: { host: web }, "
	  "trust: { ca: internal, file: /etc/ca.crt }, " DIALS("web", "postgres") " }"), PLAIN,
	  FRONT DIAL("prefer", WEB, "prefer") STEP("renew", "certs: { renewed: install }") FLIP("flip", WEB, "require"),
	  "after step 5 'flip': web -> postgres is refused: the client's CA file does not hold the CA of the certificate served\n",
	  "plan.yaml:9:5: after step 5 'flip': web -> postgres is refused: the client's CA file does not hold the CA of the certificate served\n"
	  "  step 1 'certs' to step 4 'renew' are applied\n"
	  "    pg is activated, or restarted by somebody: it runs what is written there\n"
	  "  step 5 'flip' is applied\n"
	  "  then postgres accepts both and serves renewed; web -> postgres, from host web, dials require and trusts internal\n"
	  "  at once: what is restarted there has to connect again\n", NULL },
};
