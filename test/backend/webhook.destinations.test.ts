import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { webhook } from '../../src/webhook/webhook.ts'
import { errorOf, kindOf, never, withBackend, withReceiver } from './webhook-steps.ts'

describe('webhook: destinations', () => {
  test('the origin, when a function gives the address; none, when it is fixed', async () => {
    const fixed = webhook({ url: 'https://a.example/events' })
    assert.equal(fixed.destination?.(sampleEvent()), undefined)
    const each = webhook({ url: ({ subject }) => subject ?? '' })
    const of = (subject: string) => each.destination?.(sampleEvent({ subject }))
    assert.equal(of('https://a.example/one?x=1'), 'https://a.example')
    assert.equal(of('https://user:hush@a.example/two'), 'https://a.example')
    assert.equal(of('https://a.example:8443/one'), 'https://a.example:8443')
    // What cannot be told is told by its send.
    assert.equal(of('no address'), undefined)
    await Promise.all([fixed.close(), each.close()])
  })

  test('by name: of any length, and whatever the function does', async () => {
    const named = webhook({ url: 'https://a.example/', destination: ({ data }) => data as string })
    const of = (data: unknown) => named.destination?.(sampleEvent({ data: JSON.stringify(data) }))
    assert.equal(of('tenant-1'), 'tenant-1')
    const [long, same, other] = [of('x'.repeat(300)), of('x'.repeat(300)), of(`${'x'.repeat(299)}y`)]
    assert.ok(long !== undefined && long.length <= 200)
    assert.equal(long, same)
    assert.notEqual(long, other)
    assert.equal(of(7), undefined)
    await named.close()
    const thrown = webhook({
      url: 'https://a.example/',
      destination: () => {
        throw Object.assign(new Error('no'), { code: 'ECONNREFUSED' })
      },
    })
    assert.equal(thrown.destination?.(sampleEvent()), undefined)
    const [result] = await thrown.send([sampleEvent()], never)
    assert.equal(kindOf(result), 'failure')
    assert.match(String(errorOf(result)), /the destination function of webhook\(\) threw: no/)
    await thrown.close()
    assert.throws(() => webhook({ url: 'https://a.example/', destination: 'x' as never }), { code: 'INVALID_OPTION' })
  })

  test('each has room of its own, though all are at one origin', () =>
    withReceiver({}, async (receiver) => {
      const held: ServerResponse[] = []
      receiver.reply = ({ body }, response) => {
        if (body.includes('"subject":"silent"')) held.push(response)
        else response.writeHead(204).end()
      }
      const options = {
        url: receiver.url,
        destination: ({ subject }: OutgoingEvent) => subject ?? '',
        concurrency: 2,
        timeout: 60_000,
      }
      await withBackend(
        options,
        async (backend) => {
          const silent = backend.send(sampleEvents(10, 0, { subject: 'silent' }), never)
          for (let n = 0; n < 5; n++) {
            const results = await backend.send(sampleEvents(10, 0, { subject: `good ${n}` }), never)
            assert.ok(results.every(({ ok }) => ok))
          }
          assert.equal(held.length, 2)
          receiver.reply = (_request, response) => void response.writeHead(204).end()
          for (const response of held) response.writeHead(204).end()
          assert.ok((await silent).every(({ ok }) => ok))
        },
        async () => {
          for (const response of held) response.end()
        },
      )
    }))

  test('a place that answers others is not away, and one that does not is, whatever the others do', () =>
    withReceiver({}, async (receiver) => {
      receiver.reply = ({ path, method }, response) => {
        if (path === '/good' || (method === 'HEAD' && path === '/slow')) response.writeHead(204).end()
      }
      const options = {
        url: ({ subject }: OutgoingEvent) => new URL(subject ?? '', receiver.url).href,
        destination: ({ subject }: OutgoingEvent) => subject ?? '',
        allowPrivateNetworks: true,
        timeout: 300,
      }
      await withBackend(options, async (backend) => {
        const events = ['/good', '/slow', '/silent', '/good'].map((subject) => sampleEvent({ subject }))
        // /silent is at the origin of /good, and a place of its own all the same.
        assert.deepEqual((await backend.send(events, never)).map(kindOf), ['ok', 'failure', 'outage', 'ok'])
      })
    }))
})
