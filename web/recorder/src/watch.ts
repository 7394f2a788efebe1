import { type Fault, Judge, type Look, meanLuma, peakDb, samePixels } from "./judge.js";

const LOOK_MS = 250;
const WIDTH = 48;
const HEIGHT = 36;

/** What a page may show while it watches. */
export interface Levels {
  light: number;
  levelDb: number;
  faults: Set<Fault>;
}

/**
 * Looks at a stream four times a second: light, sound level, and what is wrong with them.
 *
 * Needs an `AudioContext` that runs: make it in the click that starts the recording.
 */
export class StreamWatch {
  private readonly video = document.createElement("video");
  private readonly canvas = document.createElement("canvas");
  private readonly audio: AudioContext;
  private readonly analyser: AnalyserNode;
  private readonly source: MediaStreamAudioSourceNode | undefined;
  private readonly samples: Float32Array<ArrayBuffer>;
  private readonly timer: ReturnType<typeof setInterval>;
  private judge = new Judge();
  private before: Uint8ClampedArray | undefined;

  constructor(
    stream: MediaStream,
    private readonly onLook: (levels: Levels) => void,
  ) {
    this.canvas.width = WIDTH;
    this.canvas.height = HEIGHT;
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.srcObject = stream;
    void this.video.play().catch(() => undefined);
    this.audio = new AudioContext();
    this.analyser = this.audio.createAnalyser();
    this.analyser.fftSize = 16_384;
    this.samples = new Float32Array(this.analyser.fftSize);
    if (stream.getAudioTracks().length > 0) {
      this.source = this.audio.createMediaStreamSource(stream);
      this.source.connect(this.analyser);
    }
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.source?.disconnect();
    this.video.srcObject = null;
    void this.audio.close();
  }

  private look(): void {
    // A page in the background draws no pictures; that is not the camera's fault.
    if (document.hidden) {
      this.judge = new Judge();
      return;
    }
    const pixels = this.pixels();
    const look: Look = {
      at: performance.now(),
      light: pixels === undefined ? Number.NaN : meanLuma(pixels),
      same: pixels !== undefined && samePixels(pixels, this.before),
      levelDb: this.level(),
    };
    this.before = pixels;
    const { light, levelDb } = look;
    this.onLook({ light, levelDb, faults: this.judge.look(look) });
  }

  private pixels(): Uint8ClampedArray | undefined {
    if (this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return undefined;
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    if (context === null) return undefined;
    context.drawImage(this.video, 0, 0, WIDTH, HEIGHT);
    return context.getImageData(0, 0, WIDTH, HEIGHT).data;
  }

  private level(): number {
    if (this.audio.state !== "running") {
      void this.audio.resume().catch(() => undefined);
      return Number.NaN;
    }
    this.analyser.getFloatTimeDomainData(this.samples);
    return peakDb(this.samples);
  }
}
