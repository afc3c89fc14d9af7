// The pages and the API for operators, as a Fetch handler.

export { adminHandler } from './admin-http/admin-handler.ts'
export type { AdminAction, AdminUser } from './admin-http/admin-user.ts'
export type { Role } from './admin-http/api-types.ts'
export type { AdministeredOutbox } from './admin-http/call.ts'
export type { AdminHandlerOptions } from './admin-http/options.ts'
export { toNodeListener } from './foundation/node-listener.ts'
