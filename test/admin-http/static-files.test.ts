import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { toNodeListener } from 'ts-broadcaster/admin'
import { StaticFiles } from '../../src/admin-http/static-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-pages-'))
mkdirSync(join(folder, 'assets'))
const TEXT = 'console.log("a page")\n'.repeat(100)
writeFileSync(join(folder, 'assets/index.js'), TEXT)
after(() => rmSync(folder, { recursive: true, force: true }))

const files = new StaticFiles(folder)
const handler = async (request: Request) => files.asset(request, 'index.js') ?? new Response(null, { status: 404 })

test('a file is compressed by our own listener for who takes it so', async (t) => {
  const server = createServer(toNodeListener(handler)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close().closeAllConnections())
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/assets/index.js`
  const zipped = await fetch(address, { headers: { 'accept-encoding': 'gzip' } })
  assert.equal(zipped.headers.get('content-encoding'), 'gzip')
  assert.equal(await zipped.text(), TEXT)
  const plain = await fetch(address, { headers: { 'accept-encoding': 'identity' } })
  assert.deepEqual([plain.headers.get('content-encoding'), await plain.text()], [null, TEXT])
})

// Next drops the header `content-encoding` of a Response, and compresses its body itself.
test('it is plain for a framework that passes on a Response: some drop what says that it is compressed', async () => {
  const request = new Request('http://shop.example/assets/index.js', { headers: { 'accept-encoding': 'gzip' } })
  const response = await handler(request)
  assert.deepEqual([response.headers.get('content-encoding'), await response.text()], [null, TEXT])
})
