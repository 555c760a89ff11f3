// Draws what came with a message: pictures, sounds, films, documents.

import { element } from "./message_text.js";

const NAMES = { image: "Photo", video: "Video", audio: "Audio", voice: "Voice message", document: "Document", sticker: "Sticker" };
const KILOBYTE = 1024;
const BIG = 10;

export function attachmentOf(attachment) {
  if (!attachment.media_id) return card(attachment, attachment.link);
  const source = `/simulator/media/${encodeURIComponent(attachment.media_id)}`;
  if (attachment.kind === "image" || attachment.kind === "sticker") return picture(attachment, source);
  if (attachment.kind === "audio" || attachment.kind === "voice") return sound(attachment, source);
  if (attachment.kind === "video") return player("video", attachment, source);
  return card(attachment, source);
}

// One line for lists and quotes.
export function summaryOf(message) {
  if (!message.attachment) return message.text;
  const { kind, filename } = message.attachment;
  return message.text || (kind === "document" && filename) || NAMES[kind] || kind;
}

export function sizeOf(bytes) {
  const units = ["bytes", "KB", "MB"];
  let size = bytes;
  let unit = 0;
  while (size >= KILOBYTE && unit < units.length - 1) {
    size /= KILOBYTE;
    unit += 1;
  }
  return `${unit && size < BIG ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

function picture({ kind, filename }, source) {
  const image = element("img", "", `picture ${kind}`);
  image.src = source;
  image.alt = filename || NAMES[kind];
  return image;
}

function sound(attachment, source) {
  const whole = element("div", "", "sound");
  whole.append(player("audio", attachment, source));
  return whole;
}

function player(tag, { kind, filename }, source) {
  const node = element(tag, "", tag === "video" ? "film" : "");
  node.controls = true;
  node.preload = "metadata";
  node.src = source;
  node.setAttribute("aria-label", filename || NAMES[kind]);
  return node;
}

function card({ kind, filename, size, mime_type }, source) {
  const name = filename || NAMES[kind] || kind;
  const whole = element(source ? "a" : "div", "", "file");
  if (source) {
    whole.href = source;
    whole.target = "_blank";
    whole.rel = "noopener noreferrer";
  }
  const dot = name.lastIndexOf(".");
  const ending = dot > 0 ? name.slice(dot + 1, dot + 5) : mime_type.split("/").at(-1).slice(0, 4);
  const lines = element("span", "", "file-lines");
  const facts = [size ? sizeOf(size) : "", mime_type].filter(Boolean).join(" · ");
  lines.append(element("b", name), element("small", facts));
  whole.append(element("span", ending.toUpperCase(), "kind"), lines);
  return whole;
}
