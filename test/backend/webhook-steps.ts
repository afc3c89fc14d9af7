import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import { type WebhookOptions, webhook } from '../../src/webhook/webhook.ts'
import { Receiver } from './receiver.ts'

export const never = new AbortController().signal

/** What a result means for its event. */
export const kindOf = (result: SendResult | undefined) =>
  result?.ok ? 'ok' : result && classifySendError(result.error).kind
export const errorOf = (result: SendResult | undefined) => (result?.ok === false ? result.error : undefined)

/** A receiver and a backend that posts to it, both gone afterwards. */
export async function withReceiver(
  options: Partial<WebhookOptions>,
  work: (receiver: Receiver, backend: Backend) => Promise<void>,
): Promise<void> {
  const receiver = await Receiver.start()
  try {
    await withBackend(
      { url: receiver.url, ...options },
      (backend) => work(receiver, backend),
      () => receiver.stop(),
    )
  } finally {
    await receiver.stop()
  }
}

/** A backend, closed afterwards. `before` ends what would keep it waiting, such as an answer that is held back. */
export async function withBackend(
  options: WebhookOptions,
  work: (backend: Backend) => Promise<void>,
  before: () => Promise<void> = async () => undefined,
): Promise<void> {
  const backend = webhook(options)
  try {
    await work(backend)
  } finally {
    await before()
    await backend.close()
  }
}
