// Port: the catalogue of named files that TFTP and HTTP may serve; nothing outside it has a name.

export interface NamedFileFacts {
  /** Path inside the catalogue with slashes and no leading one, e.g. `undionly.kpxe`. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Strong HTTP entity tag with its quotes; changes whenever the bytes do. */
  readonly etag: string;
}

export interface NamedFile extends NamedFileFacts {
  /**
   * Bytes from `offset`, at most `length` and fewer only at the end of the file. The result is shared: never write to it.
   * Rejects with PB-ASSET-CHANGED when the file on disk has become shorter than it was when the catalogue was loaded.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface NamedFiles {
  /** All files, sorted by name. */
  list(): readonly NamedFileFacts[];
  /** Exact name only: folding case and slashes is the business of the protocol that needs it. */
  get(name: string): NamedFile | undefined;
}
