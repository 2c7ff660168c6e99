// The shopper's photo: picked, dropped or pasted; made small; kept until the tab closes.

import { ApiError, search, searchByPhoto } from "./api.js";
import { thumbnail } from "./cards.js";
import { byId, el, icon } from "./dom.js";

const LARGEST_SIDE = 1024;
const KEPT = 4;
const STORED = "windowshop.photo.";
const held = new Map();

/** Keep a photo and return the name that the address knows it by. */
export async function keepPhoto(file) {
  const blob = await smaller(file);
  const name = Date.now().toString(36);
  held.set(name, { blob, url: URL.createObjectURL(blob) });
  await store(name, blob);
  return name;
}

/** The photo of that name with an address to show it by, or null where this tab has it no more. */
export async function photoNamed(name) {
  if (held.has(name)) return held.get(name);
  const data = sessionStorage.getItem(STORED + name);
  if (!data) return null;
  const blob = blobOf(data);
  held.set(name, { blob, url: URL.createObjectURL(blob) });
  return held.get(name);
}

/** Ask by photo where there is one; a photo that this tab has no more is said to be missing. */
export async function ask(request, asked, signal) {
  if (!asked.photo) return search(request, signal);
  const photo = await photoNamed(asked.photo);
  if (!photo) throw new ApiError(410, "photo_gone", "The photo is not part of a link and this tab has it no more. Add it again.");
  return searchByPhoto(photo.blob, request, signal);
}

/** Take photos from the file button, from drops anywhere, and from pastes. */
export function watchForPhotos(found) {
  const input = byId("photo-file");
  input.addEventListener("change", () => {
    if (input.files[0]) found(input.files[0]);
    input.value = "";
  });
  document.addEventListener("paste", (event) => {
    const file = imageOf(event.clipboardData?.files);
    if (!file) return;
    event.preventDefault();
    found(file);
  });
  watchDrops(found);
}

/** The photo as a removable token in the search box. */
export function photoToken(url, remove) {
  return el("span", { class: "token" },
    el("img", { src: url, alt: "Your photo", width: 32, height: 32 }),
    el("span", { class: "what", text: "Your photo", "aria-hidden": "true" }),
    el("button", { class: "round", type: "button", "aria-label": "Remove the photo", on: { click: remove } }, icon("close")));
}

/** The product that similar ones are asked for, as it stands in the search box. */
export function productToken({ title, photo }, remove) {
  return el("span", { class: "token" },
    photo ? thumbnail(photo) : null,
    el("span", { class: "what", dir: "auto", text: title, "aria-hidden": "true" }),
    el("button", { class: "round", type: "button", "aria-label": `No more like ${title}`, on: { click: remove } }, icon("close")));
}

function watchDrops(found) {
  const cover = byId("drop");
  const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    cover.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) cover.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    cover.hidden = true;
    const file = imageOf(event.dataTransfer.files);
    if (file) found(file);
  });
}

const imageOf = (files) => [...(files ?? [])].find((file) => file.type.startsWith("image/"));

/** At most LARGEST_SIDE pixels a side, as JPEG; what the browser cannot read goes as it is. */
async function smaller(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return file;
  }
  const scale = Math.min(1, LARGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = el("canvas", { prop: { width: Math.max(1, Math.round(bitmap.width * scale)), height: Math.max(1, Math.round(bitmap.height * scale)) } });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? file), "image/jpeg", 0.92));
}

async function store(name, blob) {
  const old = Object.keys(sessionStorage).filter((key) => key.startsWith(STORED)).sort();
  for (const key of old.slice(0, Math.max(0, old.length - KEPT + 1))) sessionStorage.removeItem(key);
  try {
    sessionStorage.setItem(STORED + name, await dataOf(blob));
  } catch {
    // A full store only means that the photo does not outlive a reload.
  }
}

function dataOf(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

function blobOf(data) {
  const [head, body] = data.split(",");
  const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: head.slice(5, head.indexOf(";")) });
}
