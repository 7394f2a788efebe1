import { openStream, RecordingSession } from "../dist/index.js";

const at = (id) => document.getElementById(id);
const session = await RecordingSession.open({
  base: "/api/recordings",
  onProgress: ({ sentBytes, bytes, state }) => {
    at("sent").textContent = `${sentBytes} of ${bytes} bytes (${state})`;
  },
});

at("start").addEventListener("click", async () => {
  at("done").textContent = "";
  const stream = await openStream();
  at("mirror").srcObject = stream;
  await at("mirror").play();
  const recorder = session.recorder(stream, {
    item: "example",
    onTrouble: (trouble) => {
      at("trouble").textContent = trouble;
    },
  });
  await recorder.start();
  at("start").disabled = true;
  at("stop").disabled = false;
  at("stop").addEventListener("click", () => recorder.stop(), { once: true });
  const finished = await recorder.finished;
  for (const track of stream.getTracks()) track.stop();
  at("start").disabled = false;
  at("stop").disabled = true;
  await session.uploader.complete(finished.id);
  at("done").textContent = `Complete: ${finished.bytes} bytes in ${finished.chunks} chunks.`;
});
