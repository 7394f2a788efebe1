export { type Backoff, DEFAULT_BACKOFF } from "./backoff.js";
export { DEFAULT_JUDGE, type Fault, Judge, type JudgeSettings, type Look } from "./judge.js";
export { chooseMime, isSafari } from "./mime.js";
export {
  type Answer,
  type Begin,
  type Manifest,
  type MediaEvent,
  readAnswer,
  type StopReason,
  Transport,
  type TransportOptions,
} from "./protocol.js";
export { type Finished, newId, Recorder, type RecorderOptions, type Trouble } from "./recorder.js";
export { RecordingSession, type SessionOptions } from "./session.js";
export { ChunkStore, type RecordingRow, type StoredChunk } from "./store.js";
export {
  checkStream,
  openStream,
  type StreamChoice,
  StreamError,
  type StreamProblem,
} from "./stream.js";
export { type Progress, Uploader, type UploaderOptions, type UploadState } from "./uploader.js";
export { type Levels, StreamWatch } from "./watch.js";
