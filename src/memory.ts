export { type MemoryBackend, type MemoryBackendOptions, memoryBackend } from './backend/memory/memory-backend.ts'
export {
  type MemoryStoreOptions,
  MemoryTransaction,
  memoryStore,
  memoryTransaction,
} from './store/memory/memory.ts'
