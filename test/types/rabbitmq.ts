/** Compiled, never run: which channels of amqplib the RabbitMQ backend takes. */
import type { Channel, ConfirmChannel } from 'amqplib'
import { rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'

declare const plain: Channel
declare const confirming: ConfirmChannel

export const good = rabbitmq({ channel: confirming })
// @ts-expect-error without confirms nobody knows what arrived
export const bad = rabbitmq({ channel: plain })
