// Local handlers: functions of this process that the relay calls.
export { type HandlersBackend, type HandlersOptions, handlers } from './backend/handlers/handlers.ts'
export type { Handler, HandlerContext } from './handlers/handler.ts'
export {
  type HandlerOptions,
  HandlerRegistry,
  type RegisteredHandler,
} from './handlers/handler-registry.ts'
