"""A tone for pages under test that says when it began, on the clock of the sound itself."""

from __future__ import annotations

#: `newTone(audio)` gives a node that is silent but for a murmur. `node.begin()` makes it loud, and
#: resolves to the moment (as `Date.now()`) at which its first loud sample sounds; `node.end()` makes
#: it silent, and resolves to the milliseconds by which the clock of the sound jumped meanwhile.
#:
#: A browser that is held makes the sound of that moment later, in one go. So moments are counted in
#: samples, with the usual piece of the last 0.3 s for a clock, not with the piece that is being
#: made; how long a sound graph takes to begin is not asked either. Where sound was lost, that clock
#: jumps, and nothing in a recording can tell better than so much when something sounded.
NEW_TONE = """
const newTone = async (audio) => {
  const worklet = `registerProcessor("tone", class extends AudioWorkletProcessor {
    constructor() {
      super();
      this.loud = false;
      this.lates = [];
      this.port.onmessage = ({ data }) => { this.asked = data; };
    }
    clock() {
      return [...this.lates].sort((a, b) => a - b)[this.lates.length >> 1];
    }
    process(inputs, [[samples]]) {
      const now = 1000 * currentTime;
      this.lates.push(Date.now() - now);
      if (this.lates.length > (0.3 * sampleRate) / 128) this.lates.shift();
      if (this.asked !== undefined) {
        this.loud = this.asked;
        this.asked = undefined;
        this.port.postMessage([this.clock(), now]);
      }
      for (let i = 0; i < samples.length; i += 1) {
        samples[i] = this.loud ? (i % 48 < 24 ? 0.8 : -0.8) : (Math.random() - 0.5) * 0.01;
      }
      return true;
    }
  });`;
  // As data: the pages' policy forbids blobs.
  await audio.audioWorklet.addModule("data:text/javascript;base64," + btoa(worklet));
  const node = new AudioWorkletNode(audio, "tone");
  const ask = async (loud) => {
    const answer = new Promise((resolve) => {
      node.port.onmessage = ({ data }) => resolve(data);
    });
    node.port.postMessage(loud);
    return answer;
  };
  let before;
  node.begin = async () => {
    const [clock, now] = await ask(true);
    before = clock;
    return clock + now;
  };
  node.end = async () => Math.abs((await ask(false))[0] - before);
  return node;
};
"""
