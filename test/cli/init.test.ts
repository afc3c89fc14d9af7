import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Client } from 'pg'
import { runCli } from '../../src/cli/run.ts'
import { root } from '../project/source-files.ts'
import { openPlace } from '../store/mysql-place.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { requireServer } from '../support/servers.ts'

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-init-'))
after(() => rmSync(folder, { recursive: true }))

/** A project of a user: `packages` are its dependencies, all of which it finds installed. */
function project(name: string, manifest: Readonly<Record<string, unknown>>): string {
  const path = join(folder, name)
  mkdirSync(join(path, 'node_modules'), { recursive: true })
  writeFileSync(join(path, 'package.json'), JSON.stringify(manifest))
  symlinkSync(root, join(path, 'node_modules/ts-broadcaster'))
  for (const other of ['pg', 'mysql2', '@electric-sql', 'redis', '@types', 'undici-types']) {
    symlinkSync(join(root, 'node_modules', other), join(path, 'node_modules', other))
  }
  return path
}

async function init(cwd: string, ...args: readonly string[]): Promise<FakeTerminal & { code: number }> {
  const terminal = new FakeTerminal(cwd)
  return Object.assign(terminal, { code: await runCli(['init', ...args], terminal, '') })
}

/** The command as a process of its own, in a project. */
function run(cwd: string, env: Readonly<Record<string, string | undefined>>, ...args: readonly string[]) {
  return spawnSync(process.execPath, [join(root, 'src/cli/main.ts'), ...args], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env, NODE_OPTIONS: '--conditions=ts-broadcaster-source' },
  })
}

function broadcaster(cwd: string, env: Readonly<Record<string, string>>, ...args: readonly string[]): string {
  const { status, stdout, stderr } = run(cwd, env, ...args)
  assert.equal(status, 0, stderr)
  return stdout
}

const KINDS = [
  ['module', { type: 'module' }, 'broadcaster.config.ts', /sqlite\(.*handlers\(registry\)/s],
  ['commonjs', { type: 'commonjs' }, 'broadcaster.config.mts', /sqlite\(/],
  ['no-type', { devDependencies: { typescript: '7' } }, 'broadcaster.config.mts', /sqlite\(/],
  ['pg-ioredis', uses('pg', 'ioredis'), 'broadcaster.config.ts', /schema: 'outbox'.*redisStreams\(\{ url: required/s],
  ['pglite', uses('@electric-sql/pglite'), 'broadcaster.config.ts', /pglite: new PGlite/],
  ['mysql2', uses('mysql2'), 'broadcaster.config.ts', /mysql\(\{ url: required\('DATABASE_URL'\).*handlers\(/s],
  ['kafka', uses('pg', '@platformatic/kafka'), 'broadcaster.config.ts', /kafka\(\{ bootstrapServers: required/],
  ['amqplib', uses('mysql2', 'amqplib'), 'broadcaster.config.ts', /rabbitmq\(\{ url: required\('AMQP_URL'/],
  ['mqtt', uses('mqtt'), 'broadcaster.config.ts', /sqlite\(.*mqtt\(\{ url: required\('MQTT_URL'/s],
  ['nats', uses('pg', '@nats-io/jetstream'), 'broadcaster.config.ts', /natsJetStream\(\{ url: required/],
  [
    'postgres-js',
    uses('postgres'),
    'broadcaster.config.ts',
    /postgres\(\{ url.*transaction: postgresJsTransaction\(\)/s,
  ],
  [
    'prisma-pg',
    uses('@prisma/client', '@prisma/adapter-pg'),
    'broadcaster.config.ts',
    /postgres\(\{ url.*prismaTransaction\(\{ dialect: 'postgres' \}\)/s,
  ],
  [
    'prisma-mariadb',
    uses('@prisma/client', '@prisma/adapter-mariadb'),
    'broadcaster.config.ts',
    /mysql\(\{ url.*prismaTransaction\(\{ dialect: 'mysql' \}\)/s,
  ],
  [
    'prisma-libsql',
    uses('@prisma/client', '@prisma/adapter-libsql'),
    'broadcaster.config.ts',
    /sqlite\(.*prismaTransaction\(\{ dialect: 'sqlite' \}\)/s,
  ],
  ['drizzle', uses('drizzle-orm', 'mysql2'), 'broadcaster.config.ts', /drizzleTransaction\(\{ dialect: 'mysql' \}\)/],
  ['typeorm', uses('typeorm', 'pg'), 'broadcaster.config.ts', /typeormTransaction\(\{ dialect: 'postgres' \}\)/],
  ['sqlite-driver', uses('pg', 'better-sqlite3'), 'broadcaster.config.ts', /^(?!.*betterSqlite3).*postgres\(/s],
] as const

function uses(...packages: readonly string[]): Readonly<Record<string, unknown>> {
  return { type: 'module', dependencies: Object.fromEntries(packages.map((name) => [name, '*'])) }
}

for (const [name, manifest, file, expected] of KINDS) {
  test(`init in a project of kind ${name} writes ${file}`, async () => {
    const path = project(name, manifest)
    const done = await init(path)
    assert.equal(done.code, 0, done.warnings)
    const text = readFileSync(join(path, file), 'utf8')
    assert.match(text, expected)
    assert.equal((await init(path, '--print', '--force')).output, text.trimEnd())
  })
}

test('--config says which file init writes, where Node can load it', async () => {
  const path = project('asked', { type: 'module' })
  const done = await init(path, '--config', 'deploy/outbox.config.ts')
  assert.equal(done.code, 0, done.warnings)
  assert.ok(existsSync(join(path, 'deploy/outbox.config.ts')))
  assert.ok(!existsSync(join(path, 'broadcaster.config.ts')))
  assert.match(
    done.output,
    /npx broadcaster migrate --config deploy\/outbox\.config\.ts, then npx broadcaster worker --config/,
  )
  assert.equal((await init(path, '--config', 'deploy/outbox.config.ts')).code, 3)
  assert.equal((await init(path, '--config', 'outbox.js')).code, 2)
  const typeless = await init(project('asked-typeless', {}), '--config', 'outbox.config.ts')
  assert.equal(typeless.code, 2)
  assert.match(typeless.warnings, /give a name that ends in \.mts, since package\.json lacks "type": "module"/)
})

test('options that mean nothing to a command are neither offered nor taken', async () => {
  const terminal = new FakeTerminal(folder)
  for (const command of ['init', 'demo']) {
    assert.equal(await runCli([command, '--outbox', 'a'], terminal, ''), 2)
    assert.equal(await runCli([command, '--help'], terminal, ''), 0)
  }
  assert.doesNotMatch(terminal.output, /--outbox|--env-file/)
  assert.match(terminal.output, /--config <path> +Writes this file/)
})

test('what init writes compiles', async () => {
  const path = project('compiles', { type: 'module' })
  for (const [name, manifest] of KINDS) {
    const printed = await init(project(`${name}-to-compile`, manifest), '--print')
    writeFileSync(join(path, `${name}.ts`), printed.output)
  }
  const args = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node']
  const resolution = ['--customConditions', 'ts-broadcaster-source', '--allowImportingTsExtensions', '--skipLibCheck']
  const files = KINDS.map(([name]) => `${name}.ts`)
  const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), [...args, ...resolution, '--pretty', 'false', ...files], {
    cwd: path,
    encoding: 'utf8',
  })
  const wrong = tsc.stdout.split('\n').filter((line) => files.some((file) => line.startsWith(file)))
  assert.deepEqual(wrong, [])
})

for (const [name, packages, variables] of [
  ['pg-unset', ['pg', 'redis'], ['DATABASE_URL', 'REDIS_URL']],
  ['mysql2-unset', ['mysql2', 'amqplib'], ['DATABASE_URL', 'AMQP_URL']],
] as const) {
  test(`what init writes guesses no server: ${packages.join(' and ')} without ${variables.join(', ')}`, async () => {
    const path = project(name, uses(...packages))
    const done = await init(path)
    assert.match(done.output, new RegExp(`set ${variables.join(' and ')} \\(nothing is guessed\\)`))
    const values = Object.fromEntries(
      variables.map((variable) => [variable, packages[0] === 'pg' ? 'postgres://127.0.0.1/x' : 'mysql://127.0.0.1/x']),
    )
    for (const variable of variables) {
      for (const missing of [undefined, '']) {
        const { status, stderr } = run(path, { ...values, [variable]: missing }, 'migrate')
        assert.equal(status, 3, stderr)
        assert.match(
          stderr,
          new RegExp(`^broadcaster: .*broadcaster.config.ts cannot be loaded: ${variable} is not set`),
        )
      }
    }
  })
}

test('every command tells host, database and schema before it does anything, and never the password', async (t) => {
  const server = requireServer(t, 'postgres')
  if (!server) return
  const path = project('tells', uses('pg'))
  await init(path)
  const url = new URL(server.url)
  url.username = 'nobody-here'
  url.password = 'secret'
  for (const command of ['migrate', 'stats', 'list', 'worker', 'doctor', 'health']) {
    const { stderr } = run(path, { DATABASE_URL: url.href }, command)
    const line = `broadcaster: postgres outbox.outbox_events at ${url.host}${url.pathname}`
    assert.equal(stderr.split('\n')[0], line, command)
    assert.doesNotMatch(stderr, /secret/)
  }
})

test('a wrong database name, or none who answers, is one clear line and exit code 5', async (t) => {
  const server = requireServer(t, 'postgres')
  if (!server) return
  const path = project('wrong-database', uses('pg'))
  await init(path)
  const url = new URL(server.url)
  url.pathname = '/nowhere'
  for (const [given, said] of [
    [url.href, /^broadcaster: there is no such database .*; correct its name in the url, or create it$/],
    ['postgres://postgres@127.0.0.1:1/x', /^broadcaster: PostgreSQL cannot be reached: .*$/],
  ] as const) {
    for (const command of ['migrate', 'stats', 'list', 'publish']) {
      const more = command === 'publish' ? ['a.b', '--source', '/s'] : []
      const { status, stderr } = run(path, { DATABASE_URL: given }, command, ...more)
      const [, line = '', ...rest] = stderr.trimEnd().split('\n')
      assert.equal(status, 5, `${command}: ${stderr}`)
      assert.match(line, said)
      assert.deepEqual(rest, [])
    }
  }
})

test('init names the client that the project lacks', async () => {
  const done = await init(project('lacks', uses('postgres')))
  assert.match(done.output, /Next: npm install pg, then set DATABASE_URL/)
})

test('init says what it found besides and did not choose', async () => {
  const said = async (name: string, ...packages: readonly string[]): Promise<string> =>
    (await init(project(name, uses(...packages)))).output
  assert.match(
    await said('two-brokers', 'pg', 'redis', 'amqplib'),
    /^Found redis: events go to Redis Streams; amqplib is there, too\.$/m,
  )
  const much = await said('much', 'pg', 'mysql2', 'kysely', 'postgres', 'libsql', 'redis', 'amqplib', 'mqtt')
  assert.match(much, /^Found pg: the outbox goes into PostgreSQL; mysql2 is there, too\.$/m)
  assert.match(much, /^Found kysely: publish writes in transactions of Kysely; postgres is there, too\.$/m)
  assert.match(much, /^Found redis: events go to Redis Streams; amqplib and mqtt are there, too\.$/m)
  assert.doesNotMatch(await said('one-each', 'pg', 'redis', 'ioredis', 'kysely'), /there, too/)
})

test('init never overwrites unless forced, whatever the extension of the file that is there', async () => {
  const path = project('forced', { type: 'module', devDependencies: { typescript: '7' } })
  writeFileSync(join(path, 'broadcaster.config.js'), '// mine')
  const refused = await init(path)
  assert.equal(refused.code, 3)
  assert.match(refused.warnings, /broadcaster\.config\.js exists already; --force overwrites it/)
  assert.equal(readFileSync(join(path, 'broadcaster.config.js'), 'utf8'), '// mine')
  assert.equal((await init(path, '--force', '--json')).json['path'], join(path, 'broadcaster.config.js'))
  assert.match(readFileSync(join(path, 'broadcaster.config.js'), 'utf8'), /defineConfig/)
  assert.equal(existsSync(join(path, 'broadcaster.config.ts')), false)
})

test('what init writes works: SQLite and local handlers', () => {
  const path = project('works', { type: 'module' })
  const env = { DATABASE_PATH: join(path, 'o.db') }
  broadcaster(path, env, 'init')
  broadcaster(path, env, 'migrate')
  const id = broadcaster(path, env, 'publish', 'order.created', '--source', '/orders', '--data', '{"id":1}').trim()
  const worked = broadcaster(path, env, 'worker', '--max-iterations', '1')
  assert.match(worked, new RegExp(`^order\\.created - ${id}$`, 'm'))
  assert.match(broadcaster(path, env, 'show', id), /^status +published$/m)
})

test('what init writes compiles with the options that docs/runtimes.md gives, with a program in src that imports it', () => {
  const [, options] =
    /^```json\n(\{\n {2}"compilerOptions"[\s\S]*?)^```$/m.exec(readFileSync(join(root, 'docs/runtimes.md'), 'utf8')) ??
    []
  assert.ok(options)
  const tsc = (name: string, config: string): string => {
    const path = project(name, { type: 'module', dependencies: { pg: '8', redis: '6' } })
    writeFileSync(join(path, 'tsconfig.json'), config)
    broadcaster(path, {}, 'init')
    mkdirSync(join(path, 'src'))
    const program = "import { Broadcaster } from 'ts-broadcaster'\nimport config from '../broadcaster.config.ts'\n"
    writeFileSync(join(path, 'src/app.ts'), `${program}export const broadcaster = new Broadcaster(config)\n`)
    const args = [
      '-p',
      '.',
      '--noEmit',
      '--customConditions',
      'ts-broadcaster-source',
      '--skipLibCheck',
      '--pretty',
      'false',
    ]
    const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), args, { cwd: path, encoding: 'utf8' })
    return stdout
      .split('\n')
      .filter((line) => /^(src\/app|broadcaster\.config)\.ts|^error/.test(line))
      .join('\n')
  }
  assert.equal(tsc('tsc-as-documented', options), '')
  // The control. That of "types" needs the built package: our sources bring the types of Node.js along.
  assert.match(tsc('tsc-without-rewrite', options.replace(/.*"rewriteRelative.*\n/, '')), /TS5097/)
})

test('what init writes works: PostgreSQL and Redis Streams', async (t) => {
  const postgres = requireServer(t, 'postgres')
  const redis = requireServer(t, 'redis')
  if (!postgres || !redis) return
  const name = `broadcaster_init_${process.pid}`
  const admin = new Client({ connectionString: postgres.url })
  await admin.connect()
  await admin.query(`CREATE DATABASE ${name}`)
  try {
    const path = project('servers', { dependencies: { pg: '8', redis: '6' } })
    const url = new URL(postgres.url)
    url.pathname = `/${name}`
    const env = { DATABASE_URL: url.href, REDIS_URL: `${redis.url}/7` }
    broadcaster(path, env, 'init')
    broadcaster(path, env, 'migrate')
    const id = broadcaster(path, env, 'publish', 'order.created', '--source', '/orders').trim()
    broadcaster(path, env, 'worker', '--max-iterations', '1')
    assert.match(broadcaster(path, env, 'show', id), /^status +published$/m)
    assert.match(broadcaster(path, env, 'health'), /^default +healthy/m)
  } finally {
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    await admin.end()
  }
})

for (const { name, title } of MYSQL_SERVERS) {
  test(`what init writes works: ${title} and local handlers`, async (t) => {
    const server = requireServer(t, name)
    if (!server) return
    const { url, close } = await openPlace(server.url)
    try {
      const path = project(name, { type: 'module', dependencies: { mysql2: '3' } })
      const env = { DATABASE_URL: url }
      assert.match(broadcaster(path, env, 'init'), /mysql2: the outbox goes into MySQL or MariaDB/)
      broadcaster(path, env, 'migrate')
      const id = broadcaster(path, env, 'publish', 'order.created', '--source', '/orders').trim()
      broadcaster(path, env, 'worker', '--max-iterations', '1')
      assert.match(broadcaster(path, env, 'show', id), /^status +published$/m)
    } finally {
      await close()
    }
  })
}
