/** Memory of a device, in bytes. */
export interface DeviceMemory {
  readonly totalBytes: number;
  readonly freeBytes: number;
}
