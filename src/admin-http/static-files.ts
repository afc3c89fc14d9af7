import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { arrivalOf } from '../foundation/arrival.ts'
import { answer } from './answers.ts'
import { packageFolder } from './package-folder.ts'
import { digest } from './signed.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
}

interface StaticFile {
  readonly type: string
  readonly plain: Uint8Array<ArrayBuffer>
  readonly zipped: Uint8Array<ArrayBuffer>
}

const NOT_BUILT = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Broadcaster</title></head>
<body><h1>The pages are not built</h1><p>Run <code>npm run build</code>; the API answers meanwhile.</p></body>
</html>
`

/** The text as the value of an attribute in double quotes. */
const escapeHtml = (text: string): string => text.replace(/[&"<>]/g, (letter) => `&#${letter.charCodeAt(0)};`)

/**
 * Whether the answer may be compressed: the browser takes it, and our own listener passes it on. Some frameworks drop the
 * header that says how a Response is encoded (Next), and compress it themselves.
 */
function takesZipped(request: Request): boolean {
  return arrivalOf(request) !== undefined && /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '')
}

/** The files of the pages, read once when they are first asked for. What was not there then is never looked for: no path leads out. */
export class StaticFiles {
  readonly #folder: string
  #index: { readonly text: string; readonly tag: string } | undefined
  #assets: ReadonlyMap<string, StaticFile> | undefined

  constructor(folder = join(packageFolder(), 'dist/admin-http/ui')) {
    this.#folder = folder
  }

  /** The page, the same for each address; `base` leads from it to the base path. It holds nothing of the outbox. */
  page(request: Request, base: string): Response {
    this.#index ??= this.#readIndex()
    const { text, tag } = this.#index
    const etag = `"${tag}${digest(base).toString('hex').slice(0, 8)}"`
    const headers = { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache', etag }
    if (request.headers.get('if-none-match') === etag) return answer(null, 304, headers)
    // A function: `$` in an address has no meaning of its own.
    return answer(
      text.replace('<head>', () => `<head><base href="${escapeHtml(base)}">`),
      200,
      headers,
    )
  }

  /** A file of the pages, kept by browsers for a year: its name changes with it. Undefined: there is none. */
  asset(request: Request, name: string): Response | undefined {
    this.#assets ??= this.#readAssets()
    const file = this.#assets.get(name)
    if (file === undefined) return undefined
    const zips = takesZipped(request) && file.zipped.length < file.plain.length
    return answer(zips ? file.zipped : file.plain, 200, {
      'content-type': file.type,
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
      ...(zips ? { 'content-encoding': 'gzip' } : {}),
    })
  }

  #readIndex(): { readonly text: string; readonly tag: string } {
    const path = join(this.#folder, 'index.html')
    const text = existsSync(path) ? readFileSync(path, 'utf8').replace(/<base\b[^>]*>\s*/i, '') : NOT_BUILT
    return { text, tag: digest(text).toString('hex').slice(0, 16) }
  }

  #readAssets(): ReadonlyMap<string, StaticFile> {
    const folder = join(this.#folder, 'assets')
    const names = existsSync(folder) ? readdirSync(folder, { withFileTypes: true }).filter((one) => one.isFile()) : []
    return new Map(
      names.flatMap(({ name }) => {
        const type = TYPES[extname(name)]
        if (type === undefined) return []
        const plain = Uint8Array.from(readFileSync(join(folder, name)))
        return [[name, { type, plain, zipped: Uint8Array.from(gzipSync(plain)) }] as const]
      }),
    )
  }
}
