import { answer } from './answers.ts'
import { ApiError } from './api-problem.ts'
import type { FeedMessage, StatusFeed } from './status-feed.ts'

/** A comment goes out so often, in milliseconds: a proxy cuts what is silent, and a listener that is gone is noticed. */
const HEARTBEAT = 15_000
/** How many may listen to one outbox. */
const LISTENERS = 200
/** How long a browser waits before it comes again, in milliseconds. */
const RETRY = 2_000

const encoder = new TextEncoder()
/** A message as it goes out, to whoever listens. */
const encoded = new WeakMap<FeedMessage, Uint8Array>()

function bytesOf(message: FeedMessage): Uint8Array {
  const known = encoded.get(message)
  if (known !== undefined) return known
  const bytes = encoder.encode(`event: ${message.event}\ndata: ${JSON.stringify(message.data)}\n\n`)
  encoded.set(message, bytes)
  return bytes
}

/**
 * Server-sent events: each change of the status. A slow listener gets only the newest. Every `RETRY` it is asked whether the listener may
 * still listen; without an answer, or with false, the stream ends.
 */
export function liveAnswer(feed: StatusFeed, signal: AbortSignal, mayListen: () => Promise<boolean>): Response {
  if (feed.listeners >= LISTENERS) {
    throw new ApiError('TOO_MANY', 'There are too many listeners already; ask api/status instead.', {
      retryAfter: 10_000,
    })
  }
  let end: () => void = () => undefined
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        let waiting: FeedMessage | undefined
        const hasRoom = (): boolean => (controller.desiredSize ?? 0) > 0
        const flush = (): void => {
          if (waiting === undefined || !hasRoom()) return
          controller.enqueue(bytesOf(waiting))
          waiting = undefined
        }
        controller.enqueue(encoder.encode(`retry: ${RETRY}\n\n`))
        const stop = feed.listen((message) => {
          waiting = message
          flush()
        })
        const beat = setInterval(() => {
          if (hasRoom()) controller.enqueue(encoder.encode(': well\n\n'))
        }, HEARTBEAT).unref()
        const look = setInterval(() => {
          flush()
          void mayListen().then(
            (may) => may || close(),
            () => close(),
          )
        }, RETRY).unref()
        end = () => {
          stop()
          clearInterval(beat)
          clearInterval(look)
        }
        const close = (): void => {
          end()
          try {
            controller.close()
          } catch {
            // It was closed by the other side.
          }
        }
        signal.addEventListener('abort', close)
      },
      cancel() {
        end()
      },
    },
    { highWaterMark: 4 },
  )
  return answer(body, 200, {
    'content-type': 'text/event-stream',
    // Whoever compresses it on the way would hold it back meanwhile.
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
  })
}
