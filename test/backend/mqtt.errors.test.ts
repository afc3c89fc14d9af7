import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connectAsync } from 'mqtt'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import type { MqttClient } from '../../src/mqtt/client.ts'
import { mqtt } from '../../src/mqtt/mqtt.ts'
import type { MqttOptions } from '../../src/mqtt/options.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { skipWithoutJars } from '../support/jars.ts'
import { HiveMqProcess } from './hivemq-process.ts'
import { MosquittoProcess, skipWithoutMosquitto } from './mosquitto-process.ts'
import { MqttPlace } from './mqtt-place.ts'
import { freePort } from './redis-process.ts'
import { StoppableProxy } from './stoppable-proxy.ts'

const skip = skipWithoutMosquitto()
const never = new AbortController().signal

const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)
const textOf = (result: SendResult | undefined) => (result?.ok === false ? String(result.error) : '')

async function using(backend: Backend, work: (backend: Backend) => Promise<void>): Promise<void> {
  try {
    await work(backend)
  } finally {
    await backend.close()
  }
}

/** Each line of the error table in docs/backends/mqtt.md, provoked on a real server. */
describe('mqtt: errors', { skip }, () => {
  let server: MosquittoProcess
  let proxy: StoppableProxy
  before(async () => {
    server = await MosquittoProcess.start()
    const rights = server.write('acl', 'topic readwrite #\ntopic deny secret/#\n')
    await server.stop()
    await server.start(`acl_file ${rights}`, 'max_packet_size 20000')
    proxy = await StoppableProxy.to(server.port)
  })
  after(async () => {
    await proxy?.stop()
    await server?.remove()
  })

  const backendOn = (options: MqttOptions): Backend =>
    mqtt({ url: `mqtt://127.0.0.1:${proxy.port}`, connectTimeout: 5_000, timeout: 3_000, ...options })

  test('no permission is an outage when all events have one topic, otherwise a failure of this event', async () => {
    await using(backendOn({ topic: 'secret/x' }), async (backend) => {
      const [result] = await backend.send([sampleEvent()], never)
      assert.equal(kindOf(result), 'outage')
      assert.match(textOf(result), /not authorized \(0x87\)/)
    })
    await using(backendOn({ topic: '{type}' }), async (backend) => {
      const results = await backend.send([sampleEvent({ eventType: 'secret.x' }), sampleEvent()], never)
      assert.deepEqual(results.map(kindOf), ['failure', 'ok'])
    })
  })

  test('a message larger than the server permits is permanent, and ends no connection', () =>
    using(backendOn({}), async (backend) => {
      const large = sampleEvent({ partitionKey: 'a', data: JSON.stringify('x'.repeat(30_000)) })
      const events = [sampleEvent({ partitionKey: 'a' }), large, sampleEvent({ partitionKey: 'a' }), sampleEvent()]
      const results = await backend.send(events, never)
      assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'not-attempted', 'ok'])
      assert.match(textOf(results[1]), /and the server permits 20000/)
    }))

  test('what cannot be a topic or a user property is permanent', async () => {
    await using(
      backendOn({ topic: ({ subject }) => (subject === 'throw' ? assert.fail('no') : (subject ?? '')) }),
      async (backend) => {
        const subjects = ['a/+/b', 'throw', '', 'fine']
        const results = await backend.send(
          subjects.map((subject) => sampleEvent({ subject })),
          never,
        )
        assert.deepEqual(results.map(kindOf), ['permanent', 'permanent', 'permanent', 'ok'])
        assert.match(textOf(results[0]), /wildcard/)
        assert.match(textOf(results[1]), /the function topic threw/)
      },
    )
    await using(backendOn({ mode: 'binary' }), async (backend) => {
      const extensions = JSON.stringify({ long: 'x'.repeat(70_000) })
      const [result] = await backend.send([sampleEvent({ extensions })], never)
      assert.equal(kindOf(result), 'permanent')
      assert.match(textOf(result), /long is longer than 65,535 bytes/)
    })
  })

  test('binary mode: what has no room or no character in a property is refused by publish, and permanent when it comes all the same', () =>
    using(backendOn({ mode: 'binary' }), async (backend) => {
      const name = 'x'.repeat(70_000)
      for (const [field, extensions] of [
        [name, { [name]: '1' }],
        ['long', { long: 'x'.repeat(70_000) }],
        ['lines', { lines: 'a\r\nb' }],
        ['nul', { nul: 'a\0b' }],
        ['half', { half: 'a\ud800b' }],
        ['a\r\nb', { 'a\r\nb': '1' }],
      ] as const) {
        const event = sampleEvent({ extensions: JSON.stringify(extensions) })
        assert.throws(() => backend.checkEvent?.(event), { code: 'INVALID_EVENT', field })
        const results = await backend.send([sampleEvent(), event, sampleEvent()], never)
        assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'ok'], field.slice(0, 20))
      }
      backend.checkEvent?.(sampleEvent({ extensions: JSON.stringify({ long: 'x'.repeat(65_535) }) }))
      assert.equal(mqtt().checkEvent, undefined, 'the payload has room for all')
    }))

  test('a topic with more levels than the server takes is permanent', () =>
    using(backendOn({ topic: ({ subject }) => subject ?? '' }), async (backend) => {
      const events = [sampleEvent({ subject: `${'x/'.repeat(250)}x` }), sampleEvent({ subject: 'fine' })]
      assert.deepEqual((await backend.send(events, never)).map(kindOf), ['permanent', 'ok'])
    }))

  test('a server that says goodbye and leaves the connection open is left', async () => {
    // Server busy, shutting down; use another server; server moved; connection rate exceeded.
    for (const reason of [0x89, 0x8b, 0x9c, 0x9d, 0x9f]) {
      await using(backendOn({ timeout: 20_000 }), async (backend) => {
        assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
        proxy.silence('both')
        const sending = backend.send([sampleEvent()], never)
        const started = performance.now()
        // DISCONNECT with a reason and no properties.
        proxy.say(Buffer.from([0xe0, 2, reason, 0]))
        const [result] = await sending
        proxy.silence(false)
        assert.equal(kindOf(result), 'outage')
        assert.match(textOf(result), new RegExp(`0x${reason.toString(16)}`))
        assert.ok(performance.now() - started < 10_000, 'not when the acknowledgement is overdue')
        assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      })
    }
  })

  test('requireSubscriber: an event that nobody has subscribed to is a failure', () =>
    using(backendOn({ topic: 'lonely/{type}', requireSubscriber: true }), async (backend) => {
      const [alone] = await backend.send([sampleEvent()], never)
      assert.equal(kindOf(alone), 'failure')
      assert.match(textOf(alone), /no subscriber/)
      const place = await MqttPlace.make(server.url, 'lonely')
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      assert.equal((await place.messages()).length, 1)
      await place.remove()
    }))

  test('no connection is an outage, and a reason not to start', async () => {
    await using(backendOn({ url: `mqtt://127.0.0.1:${await freePort()}` }), async (backend) => {
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'outage')
      await assert.rejects(async () => backend.connect?.(never), { code: 'SEND_OUTAGE' })
      assert.equal((await backend.healthCheck(never)).healthy, false)
    })
  })

  test('no acknowledgement in time is an outage, and the next send has a connection of its own', () =>
    using(backendOn({}), async (backend) => {
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      proxy.silence('both')
      const started = performance.now()
      const [silent] = await backend.send([sampleEvent()], never)
      assert.equal(kindOf(silent), 'outage')
      assert.ok(performance.now() - started < 15_000)
      proxy.silence(false)
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
    }))

  test('a connection that is cut in the middle: nothing lost, keys in order', async () => {
    const place = await MqttPlace.make(server.url)
    await using(backendOn({ topic: `${place.name}/x` }), async (backend) => {
      let left = sampleEvents(1_000, 20)
      for (let n = 0; left.length > 0; n++) {
        assert.ok(n < 50, 'no end')
        if (n < 4) proxy.cutInsteadOfAnswer(2 + n)
        const results = await backend.send(left, never)
        left = left.filter((_, at) => !results[at]?.ok)
      }
      const seen = new Map<string, number[]>()
      for (const { attributes, dataJson } of await place.read()) {
        const key = String(attributes['partitionkey'])
        const { n } = JSON.parse(dataJson ?? '{}') as { readonly n: number }
        const before = seen.get(key) ?? []
        if (!before.includes(n)) seen.set(key, [...before, n])
      }
      assert.equal([...seen.values()].flat().length, 1_000)
      for (const [key, list] of seen)
        assert.deepEqual(
          list,
          list.toSorted((a, b) => a - b),
          key,
        )
    })
    await place.remove()
  })

  test('an injected client that has lost its connection is an outage', async () => {
    const client = await connectAsync(`mqtt://127.0.0.1:${proxy.port}`, { protocolVersion: 5, reconnectPeriod: 0 })
    client.on('error', () => undefined)
    await using(mqtt({ client: client as MqttClient, timeout: 1_000 }), async (backend) => {
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
      proxy.cut()
      await closed
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'outage')
    })
    await client.endAsync(true)
  })
})

test('mqtt: a wrong password is an outage', { skip }, async () => {
  const server = await MosquittoProcess.start()
  try {
    await server.stop()
    // The password is `right`.
    const passwords = server.write('passwords', 'app:right\n')
    const { spawnSync } = await import('node:child_process')
    assert.equal(spawnSync('mosquitto_passwd', ['-U', passwords]).status, 0)
    await server.start('allow_anonymous false', `password_file ${passwords}`)
    const url = (login: string): string => server.url.replace('mqtt://', `mqtt://${login}`)
    await using(mqtt({ url: url('app:right@') }), async (backend) => {
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
    })
    for (const login of ['app:wrong@', '']) {
      await using(mqtt({ url: url(login) }), async (backend) => {
        const [result] = await backend.send([sampleEvent()], never)
        assert.equal(kindOf(result), 'outage')
        assert.match(textOf(result), /not authorized \(0x87\)|bad user name or password/i)
      })
    }
  } finally {
    await server.remove()
  }
})

test('mqtt: a server that permits no such QoS, or does not retain, is an outage', {
  skip: skipWithoutJars('hivemq'),
}, async () => {
  const server = await HiveMqProcess.start(
    '<quality-of-service><max-qos>1</max-qos></quality-of-service><retained-messages><enabled>false</enabled></retained-messages>',
  )
  try {
    await using(mqtt({ url: server.url }), async (backend) => {
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
    })
    for (const [options, said] of [
      [{ qos: 2 }, /QoS/],
      [{ retain: true }, /retain/],
    ] as const) {
      await using(mqtt({ url: server.url, ...options }), async (backend) => {
        const [result] = await backend.send([sampleEvent()], never)
        assert.equal(kindOf(result), 'outage')
        assert.match(textOf(result), said)
      })
    }
  } finally {
    await server.remove()
  }
})

test('mqtt refuses wrong options, all at once, before anything is opened', () => {
  const refused = (options: object): string => {
    try {
      mqtt(options as MqttOptions)
    } catch (error) {
      return String(error)
    }
    return assert.fail('accepted')
  }
  const said = refused({
    topics: 'x',
    topic: 'a/#',
    qos: 0,
    mode: 'text',
    expireAfter: 0,
    connection: { reconnectPeriod: 5 },
    url: 'http://user:hidden@x',
  })
  for (const part of [
    /did you mean "topic"/,
    /topic is "a\/#"; give a function, or a topic/,
    /qos is 0; give 1 or 2/,
    /mode is "text"; give/,
    /expireAfter is 0; give a whole number from 1/,
    /must not have reconnectPeriod/,
    /url is "http:\/\/x"; give mqtt/,
  ]) {
    assert.match(said, part)
  }
  assert.doesNotMatch(said, /hidden/)
  assert.match(refused({ client: {} }), /client is an object that does not fit; give an MqttClient/)
  assert.match(refused({ qos: 2, requireSubscriber: true }), /requireSubscriber needs qos 1/)
  assert.throws(() => mqtt().checkConfig?.({ topic: 'x' }), { code: 'INVALID_OPTION', field: 'backendConfig.topic' })
})
