export { type MemoryBackend, type MemoryBackendOptions, memoryBackend } from './backend/memory/memory-backend.ts'
export {
  type MemoryStoreOptions,
  type MemoryTransaction,
  memoryStore,
} from './store/memory/memory.ts'
