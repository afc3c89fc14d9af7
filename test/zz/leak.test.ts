import { test } from 'node:test'
test('leaks', () => { setInterval(() => {}, 1000) })
