import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, Page } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Violation {
  readonly id: string
  readonly help: string
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
}

/** What a screen must not say on the console. The answers that a test breaks on purpose are told there by the browser itself. */
const EXPECTED = /Failed to load resource/

/** What a login left behind: nobody signs in twice. */
const cookies = new Map<string, Awaited<ReturnType<BrowserContext['cookies']>>>()

/** A browser window of somebody who is signed in, which remembers what went wrong in it. */
export class Walk {
  readonly page: Page
  readonly #context: BrowserContext
  readonly #url: string
  readonly #wrong: string[] = []

  private constructor(context: BrowserContext, page: Page, url: string) {
    this.#context = context
    this.page = page
    this.#url = url
    page.setDefaultTimeout(10_000)
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type()) && !EXPECTED.test(message.text()))
        this.#wrong.push(message.text())
    })
    page.on('pageerror', (error) => this.#wrong.push(String(error)))
    page.on('dialog', (dialog) => {
      this.#wrong.push(`a script ran: ${dialog.message()}`)
      void dialog.dismiss()
    })
  }

  /** Opens a window and signs in. */
  static async start(
    browser: Browser,
    url: string,
    token: string,
    { width = 1_440, height = 1_000, colorScheme = 'light' as 'light' | 'dark' } = {},
  ): Promise<Walk> {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme,
      timezoneId: 'Europe/Berlin',
      locale: 'en-GB',
    })
    const walk = new Walk(context, await context.newPage(), url)
    const known = cookies.get(url + token)
    if (known !== undefined) await context.addCookies(known)
    await walk.page.goto(url)
    if (known === undefined) {
      await walk.page.getByLabel('Token').fill(token)
      await walk.page.getByRole('button', { name: 'Sign in' }).click()
    }
    await walk.page.locator('.live[data-live="on"]').waitFor()
    cookies.set(url + token, await context.cookies())
    return walk
  }

  /** Opens an address below the base path. */
  async open(path: string): Promise<void> {
    await this.page.goto(this.#url + path)
  }

  /** Waits for the heading of the page. */
  async heading(name: string | RegExp): Promise<void> {
    await this.page.getByRole('heading', { name, level: 1 }).waitFor()
  }

  /** Waits until no part of the page is loading. */
  settled(): Promise<void> {
    return this.until(async () => (await this.page.locator('[aria-busy="true"]').count()) === 0)
  }

  /** Waits for what was done to be told. */
  async told(text: string | RegExp): Promise<void> {
    await this.page.locator('.toasts').getByText(text).first().waitFor()
  }

  /** axe finds nothing: WCAG 2.2 A and AA, and best practice. */
  async isAccessible(where: string): Promise<void> {
    await this.page.evaluate(axe)
    const violations = (await this.page.evaluate(`axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      resultTypes: ['violations'],
    }).then(({ violations }) => violations)`)) as readonly Violation[]
    const told = violations.map(
      ({ id, help, nodes }) =>
        `${id}: ${help}\n  ${nodes
          .map(({ html, failureSummary }) => `${html} ${failureSummary}`)
          .slice(0, 3)
          .join('\n  ')}`,
    )
    assert.deepEqual(told, [], where)
  }

  /** Nothing sticks out at the side. */
  async fits(where: string): Promise<void> {
    const over = await this.page.evaluate('document.documentElement.scrollWidth - innerWidth')
    assert.ok(Number(over) <= 0, `${where} is ${over} px too wide`)
  }

  /** Waits until it holds. */
  async until(holds: () => Promise<boolean>): Promise<void> {
    for (let n = 0; n < 200; n++) {
      if (await holds()) return
      await this.page.waitForTimeout(50)
    }
    assert.fail('it never held')
  }

  /** Nothing was said on the console, and no script of an event has run. */
  isQuiet(): void {
    assert.deepEqual(this.#wrong, [])
  }

  close(): Promise<void> {
    return this.#context.close()
  }
}
