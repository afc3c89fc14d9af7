/*
 * SHA-256 as an expression of SQLite, which has no such function: the lane of a key must be the one that the library
 * computes. A recursive query with a row for each of the 64 rounds. Part of a released step: it never changes.
 */

const MASK = 4294967295
const START = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const ROUNDS = [
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
]

/** Exclusive or, which SQLite lacks. */
const xor = (a: string, b: string): string => `(~(${a} & ${b}) & (${a} | ${b}))`
/** A word twice, so that a shift is a rotation. */
const twice = (x: string): string => `((${x} << 32) | ${x})`
const rotated = (x: string, by: number): string => `((${twice(x)} >> ${by}) & ${MASK})`
const mixed = (x: string, a: number, b: number, c: string): string => xor(xor(rotated(x, a), rotated(x, b)), c)

const WINDOW = Array.from({ length: 16 }, (_, n) => `w${n}`)
const STATE = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const SUM = STATE.map((_, n) => `h${n}`)

/** The 16 words of block `block`, as select expressions. */
const wordsOf = (block: string): string =>
  WINDOW.map((_, n) => `(SELECT v FROM word WHERE n = ${block} * 16 + ${n})`).join(', ')

/** The first 32 bits of the SHA-256 of a text (as UTF-8), unsigned, as an SQL expression. `text` is not null. */
export function sha256Prefix(text: string): string {
  const first = `h + ${mixed('e', 6, 11, rotated('e', 25))} + ((e & f) | (~e & g)) + k + w0`
  const second = `${mixed('a', 2, 13, rotated('a', 22))} + ((a & b) | (a & c) | (b & c))`
  const next = `w0 + ${mixed('w1', 7, 18, '(w1 >> 3)')} + w9 + ${mixed('w14', 17, 19, '(w14 >> 10)')}`
  const nibble = (n: number): string =>
    `((instr('0123456789ABCDEF', substr(x, n * 8 + ${n + 1}, 1)) - 1) << ${28 - 4 * n})`
  return `(WITH RECURSIVE
  bytes (x, size) AS (SELECT hex(CAST(${text} AS BLOB)), length(CAST(${text} AS BLOB))),
  message (x, blocks) AS (
    SELECT x || '80' || substr(hex(zeroblob(64)), 1, 2 * ((119 - size % 64) % 64)) || printf('%016X', size * 8),
      (size + 8) / 64 + 1 FROM bytes),
  place (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM place WHERE n + 1 < (SELECT blocks FROM message) * 16),
  word (n, v) AS MATERIALIZED (SELECT n, ${Array.from({ length: 8 }, (_, n) => nibble(n)).join(' | ')} FROM place, message),
  round (i, k) AS MATERIALIZED (VALUES ${ROUNDS.map((k, i) => `(${i}, ${k})`).join(', ')}),
  digest (n, block, ${[...SUM, ...STATE, ...WINDOW].join(', ')}) AS (
    SELECT 0, 0, ${START.join(', ')}, ${START.join(', ')}, ${wordsOf('0')}
    UNION ALL
    SELECT n + 1, block, ${SUM.join(', ')}, (${first} + ${second}) & ${MASK}, a, b, c, (d + ${first}) & ${MASK}, e, f, g,
      ${WINDOW.slice(1).join(', ')}, (${next}) & ${MASK}
    FROM digest JOIN round ON round.i = digest.n WHERE n < 64
    UNION ALL
    SELECT 0, block + 1, ${STATE.map((x, n) => `(h${n} + ${x}) & ${MASK}`).join(', ')},
      ${STATE.map((x, n) => `(h${n} + ${x}) & ${MASK}`).join(', ')}, ${wordsOf('(block + 1)')}
    FROM digest WHERE n = 64
      AND block + 1 <= (SELECT blocks FROM message))
  SELECT h0 FROM digest WHERE n = 0 AND block = (SELECT blocks FROM message))`
}
