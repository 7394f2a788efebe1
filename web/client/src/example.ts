import { LiveClient, type LiveEvent } from "./index.js";
import { Sides } from "./sides.js";

const at = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

const sides = new Sides();

function show(side: "change" | "sustain"): void {
  const lines = sides.column(side).map((text) => {
    const line = document.createElement("li");
    line.textContent = text;
    return line;
  });
  at(side).replaceChildren(...lines);
}

function tell(event: LiveEvent): void {
  if (event.event === "side_told") sides.tell(event);
  if (event.event === "not_measured" && event.modality === "change_talk") sides.clear();
  show("change");
  show("sustain");
  if (event.event === "side_told") return;
  const line = document.createElement("li");
  const when = "at_s" in event ? `${event.at_s.toFixed(1)} s` : "";
  const { kind, reason, message, probs } = event as unknown as Record<string, unknown>;
  line.textContent = [when, event.event, kind, reason, message, probs].filter(Boolean).join(" · ");
  line.className = event.event;
  at("events").prepend(line);
}

at("begin").onclick = async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640 }, audio: true });
  at<HTMLVideoElement>("mirror").srcObject = stream;
  const client = new LiveClient({
    url: new URL("/api/live/ws", location.href).href.replace("http", "ws"),
    token: at<HTMLInputElement>("token").value,
    purpose: { kind: "own_use", text: at<HTMLInputElement>("purpose").value },
    synthetic: at<HTMLInputElement>("synthetic").checked,
    onEvent: tell,
    onLine: (isOpen) => (at("line").textContent = isOpen ? "connected" : "no connection"),
  });
  at("end").onclick = client.record(stream);
  const since = performance.now();
  at("said").onchange = () => {
    const end = (performance.now() - since) / 1000;
    const said = at<HTMLInputElement>("said").value.split(/\s+/).filter(Boolean);
    client.sendWords(said.map((text) => ({ text, start_s: end, end_s: end })), end);
    at<HTMLInputElement>("said").value = "";
  };
};
