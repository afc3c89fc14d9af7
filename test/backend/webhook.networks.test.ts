import assert from 'node:assert/strict'
import type { LookupFunction } from 'node:net'
import { describe, test } from 'node:test'
import { sampleEvent } from '../../src/testing/sample-events.ts'
import { isPrivateAddress, publicLookup } from '../../src/webhook/private-networks.ts'
import { webhook } from '../../src/webhook/webhook.ts'
import { Receiver } from './receiver.ts'
import { errorOf, kindOf, never, withBackend, withReceiver } from './webhook-steps.ts'

const redirectTo = (receiver: Receiver, status: number, location: () => string): void => {
  receiver.reply = (request, response) => {
    if (request.path === '/there') return void response.writeHead(204).end()
    response.writeHead(status, { location: location() }).end()
  }
}

describe('webhook: redirects', () => {
  test('not followed unless asked', () =>
    withReceiver({}, async (receiver, backend) => {
      redirectTo(receiver, 308, () => '/there')
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'outage')
      assert.equal(receiver.requests.length, 1)
    }))

  for (const status of [301, 302, 307, 308]) {
    test(`followRedirects posts the whole event again: ${status}`, () =>
      withReceiver({ followRedirects: true, headers: { authorization: 'x' } }, async (receiver, backend) => {
        redirectTo(receiver, status, () => '/there')
        const event = sampleEvent()
        assert.equal(kindOf((await backend.send([event], never))[0]), 'ok')
        assert.equal(receiver.requests[1]?.path, '/there')
        assert.ok(receiver.requests[1]?.body.includes(event.id))
        assert.equal(receiver.requests[1]?.headers['authorization'], 'x')
      }))
  }

  test('a circle of redirects ends', () =>
    withReceiver({ followRedirects: true }, async (receiver, backend) => {
      redirectTo(receiver, 307, () => '/again')
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'outage')
      assert.equal(receiver.requests.length, 6)
    }))

  test('into a private network: refused, by address and by name, and allowed by option', async (t) => {
    const inner = await Receiver.start()
    t.after(() => inner.stop())
    const location = (host: string) => inner.url.replace('127.0.0.1', host)
    for (const host of ['127.0.0.1', '[::ffff:127.0.0.1]', 'localhost', '2130706433', '0x7f.1']) {
      await withReceiver({ followRedirects: true }, async (receiver, backend) => {
        redirectTo(receiver, 307, () => location(host))
        const [result] = await backend.send([sampleEvent()], never)
        assert.equal(kindOf(result), 'outage')
        assert.match(String(errorOf(result)), /private network/)
      })
    }
    assert.equal(inner.requests.length, 0)
    const permitted = { followRedirects: true, allowPrivateNetworks: true, headers: { authorization: 'mine' } }
    await withReceiver(permitted, async (receiver, backend) => {
      redirectTo(receiver, 307, () => location('127.0.0.1'))
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      assert.equal(inner.requests.length, 1)
      assert.equal(inner.requests[0]?.headers['authorization'], undefined, 'credentials stay with their origin')
    })
  })
})

describe('webhook: private networks', () => {
  test('an address that a function returns is guarded, a fixed one is not', () =>
    withReceiver({}, async (receiver) => {
      for (const url of [receiver.url, receiver.url.replace('127.0.0.1', 'localhost')]) {
        await withBackend({ url: () => url }, async (guarded) => {
          const [result] = await guarded.send([sampleEvent()], never)
          assert.equal(kindOf(result), 'permanent')
          assert.match(String(errorOf(result)), /private network/)
        })
        await withBackend({ url: () => url, allowPrivateNetworks: true }, async (free) => {
          assert.equal(kindOf((await free.send([sampleEvent()], never))[0]), 'ok')
        })
        await withBackend({ url }, async (free) => {
          assert.equal(kindOf((await free.send([sampleEvent()], never))[0]), 'ok')
        })
      }
      assert.equal(receiver.requests.length, 4)
    }))

  test('the handshake is guarded like the event', () =>
    withReceiver({}, async (receiver) => {
      let asked = 0
      receiver.reply = (_request, response) => {
        asked++
        response.writeHead(200, { 'webhook-allowed-origin': '*' }).end()
      }
      const handshake = { origin: 'x.example' }
      await withBackend({ url: () => receiver.url, handshake }, async (backend) => {
        assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'permanent')
      })
      assert.equal(asked, 0)
    }))

  test('a name is resolved once: the connection goes to the address that was checked, whatever it becomes later', () =>
    withReceiver({}, async (receiver) => {
      // DNS rebinding: each time the name is asked for, it leads elsewhere.
      const asked: string[] = []
      const leadingTo =
        (...addresses: readonly string[]): LookupFunction =>
        (hostname, options, callback) => {
          const address = addresses[asked.push(hostname) - 1] ?? addresses.at(-1) ?? ''
          if (options.all) callback(null, [{ address, family: 4 }])
          else callback(null, address, 4)
        }
      const url = receiver.url.replace('127.0.0.1', 'rebinding.example')
      const guarded = { url: () => url, lookup: leadingTo('127.0.0.1', '203.0.113.7') }
      await withBackend(guarded, async (backend) => {
        assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'permanent')
        assert.deepEqual(asked, ['rebinding.example'])
      })
      asked.length = 0
      const free = { url: () => url, lookup: leadingTo('127.0.0.1', '203.0.113.7'), allowPrivateNetworks: true }
      await withBackend(free, async (backend) => {
        for (const event of [sampleEvent(), sampleEvent()]) {
          assert.equal(kindOf((await backend.send([event], never))[0]), 'ok', 'the name does lead there')
        }
        assert.deepEqual(asked, ['rebinding.example'], 'a kept connection asks nobody')
      })
      assert.equal(receiver.requests.length, 2)
      // What the check lets through is what it saw, and not another answer.
      asked.length = 0
      const checked = publicLookup(leadingTo('203.0.114.7', '127.0.0.1'))
      for (const all of [true, false]) {
        asked.length = 0
        const found = await new Promise((resolve) => checked('x.example', { all }, (...answer) => resolve(answer)))
        assert.deepEqual(found, all ? [null, [{ address: '203.0.114.7', family: 4 }]] : [null, '203.0.114.7', 4])
        assert.equal(asked.length, 1)
      }
    }))

  test('a name with one private address among public ones is refused', () =>
    withReceiver({}, async (receiver) => {
      const lookup: LookupFunction = (_hostname, _options, callback) =>
        callback(null, [
          { address: '203.0.114.7', family: 4 },
          { address: '::ffff:127.0.0.1', family: 6 },
        ])
      await withBackend({ url: () => 'http://mixed.example/', lookup }, async (backend) => {
        const [result] = await backend.send([sampleEvent()], never)
        assert.match(String(errorOf(result)), /mixed.example \(::ffff:127.0.0.1\) is in a private network/)
      })
      assert.equal(receiver.requests.length, 0)
    }))

  test('one destination that is away is no outage of the others', () =>
    withReceiver({}, async (receiver) => {
      const gone = await Receiver.start()
      const goneUrl = gone.url
      await gone.stop()
      const backend = webhook({
        url: ({ subject }) => (subject === 'gone' ? goneUrl : receiver.url),
        allowPrivateNetworks: true,
      })
      const results = await backend.send([sampleEvent({ subject: 'gone' }), sampleEvent()], never)
      assert.deepEqual(results.map(kindOf), ['outage', 'ok'])
      // The relay keeps only those waiting that go to the same place.
      const places = [sampleEvent({ subject: 'gone' }), sampleEvent()].map((event) => backend.destination?.(event))
      assert.deepEqual(places, [new URL(goneUrl).origin, new URL(receiver.url).origin])
      await backend.close()
    }))

  test('private addresses', () => {
    const inside = [
      ...[
        '10.1.2.3',
        '127.0.0.1',
        '172.31.0.1',
        '192.168.1.1',
        '100.64.0.1',
        '0.0.0.0',
        '255.255.255.255',
        '224.0.0.1',
      ],
      ...['::1', '::', '[fe80::1]', 'fd00::1', '64:ff9b::a00:1', 'ff02::1', 'fe80::1%eth0', '2002:7f00:1::'],
      // IPv4 inside of IPv6, in each spelling
      ...['::ffff:8.8.8.8', '::ffff:7f00:1', '[::ffff:10.0.0.1]', '::127.0.0.1'],
      // Metadata services
      ...[
        '169.254.169.254',
        'fd00:ec2::254',
        '100.100.100.200',
        '192.0.0.192',
        '168.63.129.16',
        '::ffff:169.254.169.254',
      ],
    ]
    for (const address of inside) assert.equal(isPrivateAddress(address), true, address)
    // What IANA's special-purpose registries hold beside them, each from its first to its last address
    const registered = [
      ...['192.0.0.0', '192.0.0.255', '192.0.2.0', '192.88.99.1', '198.18.0.0', '198.19.255.255', '198.51.100.7'],
      ...[
        '203.0.113.255',
        '240.0.0.1',
        '100.127.255.255',
        '169.254.0.1',
        '172.16.0.0',
        '10.255.255.255',
        '0.255.255.255',
      ],
      ...['::ffff:0:127.0.0.1', '::ffff:0:a9fe:a9fe', '::ffff:0:0:0', '::ffff:0:ffff:ffff', '64:ff9b:1::7f00:1'],
      ...['100::', '100::ffff:ffff:ffff:ffff', '100:0:0:1::', '100:0:0:1:ffff:ffff:ffff:ffff', '2001::', '2001:2::1'],
      ...['2001:10::1', '2001:20::1', '2001:30::1', '2001:1ff:ffff::', '2001:db8::', '2002::', '3fff::', '3fff:fff::'],
      ...['5f00::', '5f00:ffff::', 'fc00::', 'fdff::', 'fe80::', 'febf::', 'fec0::', 'ff00::'],
    ]
    for (const address of registered) assert.equal(isPrivateAddress(address), true, address)
    for (const address of ['100:0:0:2::', '2001:200::', '::ffff:1:0:0', '4000::', '198.20.0.0', '128.0.0.1']) {
      assert.equal(isPrivateAddress(address), false, address)
    }
    for (const address of ['8.8.8.8', '172.32.0.1', '11.0.0.1', '168.63.129.17', '2606:4700::1111', 'example.com']) {
      assert.equal(isPrivateAddress(address), false, address)
    }
  })
})
