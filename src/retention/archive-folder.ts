import { randomUUID } from 'node:crypto'
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { platform } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { memberOf } from '../foundation/inner-errors.ts'

const BEGIN = 'outbox-'
const END = '.ndjson.gz'
/** What comes behind the name of a file until it is whole. */
const UNFINISHED = '.unfinished'
/** One that was not touched for so long has no writer any more, in ms. */
const ABANDONED = 3_600_000

/**
 * Files of lines, `outbox-<time>-<random>.ndjson.gz`, in a folder that is there. A file that has this name is whole and on the
 * disk; one whose writer died keeps another name, and is deleted after an hour.
 */
export class ArchiveFolder {
  readonly #path: string
  #isTidy = false

  constructor(path: string) {
    this.#path = path
  }

  /** Writes one file; resolves when it, and its name, are on the disk. */
  async write(lines: AsyncIterable<string>): Promise<void> {
    await this.#tidy()
    const name = `${BEGIN}${new Date().toISOString().replaceAll(':', '-')}-${randomUUID().slice(0, 8)}${END}`
    const path = join(this.#path, name)
    const unfinished = path + UNFINISHED
    const file = await open(unfinished, 'wx')
    try {
      await fill(file, lines)
      await rename(unfinished, path)
    } catch (error) {
      // A full disk is to be less full; the error that counts is the first.
      await rm(unfinished, { force: true }).catch(() => undefined)
      throw error
    }
    await syncFolder(this.#path)
  }

  /** Once, so that a folder of many files is not listed for each. */
  async #tidy(): Promise<void> {
    if (this.#isTidy) return
    for (const name of await readdir(this.#path)) {
      if (!name.startsWith(BEGIN) || !name.endsWith(END + UNFINISHED)) continue
      const path = join(this.#path, name)
      // Another worker may finish it, or tidy, at this moment.
      const touched = await stat(path).then(({ mtimeMs }) => mtimeMs, unlessGone)
      if (touched !== undefined && Date.now() - touched > ABANDONED) await rm(path, { force: true })
    }
    this.#isTidy = true
  }
}

function unlessGone(error: unknown): undefined {
  if (memberOf(error, 'code') !== 'ENOENT') throw error
}

async function fill(file: FileHandle, lines: AsyncIterable<string>): Promise<void> {
  try {
    await pipeline(Readable.from(lines), createGzip(), async (zipped: AsyncIterable<Uint8Array>) => {
      for await (const part of zipped) await file.appendFile(part)
    })
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A name is on the disk when its folder is. Windows has no such thing, and keeps names by itself. */
async function syncFolder(path: string): Promise<void> {
  if (platform() === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
