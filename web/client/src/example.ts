import { LiveClient, type LiveEvent } from "./index.js";

const at = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

function tell(event: LiveEvent): void {
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
};
