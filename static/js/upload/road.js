/* The road of files to the object store: Uppy with its S3 uploader (docs/adr/0011). Parts go
   straight to the store, some at a time, and are tried again with growing pauses. Our server opens
   each upload before the first byte, signs its parts, and joins them; what has arrived is what the
   store says. */

import { AwsS3, Uppy } from "../../vendor/uppy.js";
import { call, Refused, Signatures } from "./server.js";

const PARALLEL = 4;
const PAUSES_MS = [0, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 30_000];

export class Road {
  /* start: where an upload is opened; refusal: what to say where the server gives no sentence;
     on: {progress(id, bytes), done(id, next_url), failed(id, error)}. */
  constructor(start, refusal, on) {
    Object.assign(this, { start, refusal, on, opened: new Map(), partBytes: new WeakMap() });
    this.uppy = new Uppy({ autoProceed: false });
    this.uppy.use(AwsS3, {
      limit: PARALLEL,
      retryDelays: PAUSES_MS,
      shouldUseMultipart: true,
      getChunkSize: (blob) => this.partBytes.get(blob),
      listParts: (file) => this.arrived(file.id),
      signPart: (file, { partNumber }) => this.sign(file.id, partNumber),
      completeMultipartUpload: (file) => this.finish(file.id),
      abortMultipartUpload: async () => {}, // Uppy gives up after a lost network; people decide.
    });
    this.uppy.on("upload-progress", (file, { bytesUploaded }) => on.progress(file.id, bytesUploaded));
    this.uppy.on("upload-success", (file, { body }) => on.done(file.id, body.location));
    this.uppy.on("upload-error", (file, error) => on.failed(file.id, error));
  }

  /* Open the upload, or find the one that stopped; nothing is sent yet. */
  open(file, fingerprint) {
    const body = { filename: file.name, bytes: file.size, ...(fingerprint && { fingerprint }) };
    return call("POST", this.start, body, this.refusal);
  }

  /* Send what is missing; returns the id by which `on` speaks of the file. */
  send(file, opened) {
    this.partBytes.set(file, opened.part_bytes);
    const id = this.uppy.addFile({ name: file.name, type: file.type, data: file, meta: { upload: opened.id } });
    this.opened.set(id, { ...opened, signatures: new Signatures(opened, this.refusal) });
    this.uppy.setFileState(id, { s3Multipart: { key: opened.id, uploadId: opened.id } });
    return id;
  }

  go(id) {
    // Not `upload()`, which would wait for other files that have failed.
    return this.uppy.retryUpload(id);
  }

  async arrived(id) {
    const { received } = await call("GET", this.opened.get(id).parts_url, undefined, this.refusal);
    return received.map((number) => ({ PartNumber: number, ETag: String(number) }));
  }

  async sign(id, number) {
    try {
      return { method: "PUT", url: await this.opened.get(id).signatures.of(number) };
    } catch (error) {
      // Uppy would ask again and again for what is refused.
      if (error instanceof Refused && !this.uppy.getFile(id).isPaused) {
        this.pause(id);
        this.on.failed(id, error);
      }
      throw error;
    }
  }

  async finish(id) {
    return { location: await this.finished(this.opened.get(id)) };
  }

  /* Where the import of a whole file goes on; joins its parts if that is still to do. */
  async finished(opened) {
    const { next_url } = await call("POST", opened.finish_url, {}, this.refusal);
    return next_url;
  }

  pause(id) {
    if (!this.uppy.getFile(id).isPaused) this.uppy.pauseResume(id);
  }

  resume(id) {
    const file = this.uppy.getFile(id);
    if (file.error) return this.go(id);
    if (file.isPaused) this.uppy.pauseResume(id);
    return undefined;
  }

  /* Stop for good: nothing of it stays. The server abandons it by itself where this call fails. */
  async cancel(id) {
    const { abort_url } = this.opened.get(id);
    this.uppy.removeFile(id);
    this.opened.delete(id);
    await call("POST", abort_url, {}, this.refusal);
  }
}
