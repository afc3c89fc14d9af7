// The backend that prints.
export { type ConsoleBackendOptions, consoleBackend } from './backend/console/console.ts'
