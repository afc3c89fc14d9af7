// Webhooks: the backend that sends them, and the receiver.

export { toNodeListener } from './foundation/node-listener.ts'
export type { WebhookHandshake } from './webhook/handshake-options.ts'
export type {
  WebhookBatchLimit,
  WebhookHeaders,
  WebhookKeys,
  WebhookOptions,
  WebhookRateLimit,
} from './webhook/options.ts'
export type { WebhookReceiverOptions } from './webhook/receiver-options.ts'
export type { VerifiedWebhook } from './webhook/signature.ts'
export {
  type VerifyOptions,
  verifyWebhook,
  WebhookSignatureError,
} from './webhook/verify-webhook.ts'
export { webhook } from './webhook/webhook.ts'
export { type WebhookReceiver, webhookReceiver } from './webhook/webhook-receiver.ts'
