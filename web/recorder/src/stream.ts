/** Why there is no stream, in words that a page can turn into help. */
export type StreamProblem = "denied" | "missing" | "busy" | "insecure" | "ended" | "unknown";

export class StreamError extends Error {
  constructor(
    readonly problem: StreamProblem,
    message: string,
  ) {
    super(message);
    this.name = "StreamError";
  }
}

export interface StreamChoice {
  camera?: string;
  microphone?: string;
  width?: number;
  height?: number;
  frameRate?: number;
}

const PROBLEMS: Record<string, StreamProblem> = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
};

/**
 * Opens camera and microphone. The sound is left as it is: what a call would clean away (breath,
 * pauses, loudness) is what a study of behaviour measures.
 *
 * @throws StreamError
 */
export async function openStream(choice: StreamChoice = {}): Promise<MediaStream> {
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices === undefined) {
    throw new StreamError("insecure", "the camera needs a page on https or localhost");
  }
  try {
    return await devices.getUserMedia(constraintsOf(choice));
  } catch (error) {
    const { name, message } = error as DOMException;
    throw new StreamError(PROBLEMS[name] ?? "unknown", `${name}: ${message}`);
  }
}

function constraintsOf(choice: StreamChoice): MediaStreamConstraints {
  const video: MediaTrackConstraints = {
    width: { ideal: choice.width ?? 1280 },
    height: { ideal: choice.height ?? 720 },
    frameRate: { ideal: choice.frameRate ?? 30 },
  };
  const audio: MediaTrackConstraints = {
    echoCancellation: false,
    noiseSuppression: false,
    autoGainControl: false,
  };
  if (choice.camera) video.deviceId = { exact: choice.camera };
  else video.facingMode = "user";
  if (choice.microphone) audio.deviceId = { exact: choice.microphone };
  return { video, audio };
}

/**
 * Asked before each recording: a permission can be taken back, and a device unplugged, meanwhile.
 *
 * @throws StreamError
 */
export async function checkStream(stream: MediaStream): Promise<void> {
  for (const name of ["camera", "microphone"]) {
    if ((await permission(name)) === "denied") {
      throw new StreamError("denied", `the permission for the ${name} was taken back`);
    }
  }
  const kinds = stream.getTracks().filter((track) => track.readyState === "live");
  for (const kind of ["video", "audio"]) {
    const live = kinds.some((track) => track.kind === kind);
    if (!live) throw new StreamError("ended", `the ${kind} of this stream has ended`);
  }
}

/** Browsers that do not know a permission's name are asked again by `getUserMedia` itself. */
async function permission(name: string): Promise<PermissionState> {
  try {
    return (await navigator.permissions.query({ name: name as PermissionName })).state;
  } catch {
    return "prompt";
  }
}
