"use strict";
// The service renders the page; this fetches it again each second and takes over what differs.

const SECOND = 1000;
const find = (id) => document.getElementById(id);
let seen = Date.now(); // when the service last answered
let plotted = seen; // when the plots last came
let failed = false;

// Makes `old` like `fresh`, without touching what is the same: a selection, the focus, and what
// the reader has opened remain.
function take(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName) {
    old.replaceWith(document.importNode(fresh, true));
  } else if (old.nodeType === Node.TEXT_NODE) {
    old.data = fresh.data;
  } else if (old.nodeType === Node.ELEMENT_NODE) {
    takeElement(old, fresh);
  }
}

function takeElement(old, fresh) {
  // What comes empty is kept as it is, and so is the text that somebody is about to copy.
  if (fresh.dataset.keep !== undefined && !fresh.hasChildNodes()) return;
  if (old === document.activeElement && old.nodeName === "TEXTAREA") return;
  for (const { name } of [...old.attributes]) {
    if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const kept = [...old.childNodes];
  const wanted = [...fresh.childNodes];
  kept.slice(wanted.length).forEach((node) => node.remove());
  wanted.forEach((node, place) => {
    if (place < kept.length) take(kept[place], node);
    else old.append(document.importNode(node, true));
  });
}

// Screen readers announce what has changed once, not the age of something every second.
function codes() {
  return [...find("verdicts").children].map((verdict) => verdict.dataset.code).join();
}

async function renew() {
  const withPlot = Date.now() - plotted >= 60 * SECOND;
  const answer = await fetch(withPlot ? "?" : "?live", {
    cache: "no-store",
    signal: AbortSignal.timeout(5 * SECOND),
  });
  if (!answer.ok) throw new Error(answer.statusText);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const main = fresh.querySelector("main");
  const { version } = fresh.documentElement.dataset;
  if (!main || !version) throw new Error("not the page");
  if (version !== document.documentElement.dataset.version) location.reload();

  const before = codes();
  take(document.querySelector("main"), main);
  if (codes() !== before) find("news").textContent = find("verdicts").textContent;
  document.title = fresh.title;
  take(document.querySelector("link"), fresh.querySelector("link"));
  seen = Date.now();
  if (withPlot) plotted = seen;
}

async function keepRenewing() {
  // What nobody looks at needs no renewal.
  if (!document.hidden) {
    await renew().then(
      () => (failed = false),
      () => (failed = true),
    );
  }
  setTimeout(keepRenewing, SECOND);
}

function showAge() {
  const offline = find("offline");
  const seconds = Math.round((Date.now() - seen) / SECOND);
  if (failed) offline.textContent = offline.dataset.text.replace("{}", seconds);
  offline.hidden = !failed;
  document.documentElement.classList.toggle("old", failed);
}

// The clipboard is there over HTTPS and on this machine only.
async function copy() {
  const text = document.querySelector("textarea");
  const copied = find("copied");
  try {
    await navigator.clipboard.writeText(text.value);
    copied.textContent = copied.dataset.done;
  } catch {
    text.closest("details").open = true;
    text.focus();
    text.select();
    const done = document.execCommand("copy");
    copied.textContent = done ? copied.dataset.done : copied.dataset.select;
  }
}

document.documentElement.classList.add("script");
find("copy").addEventListener("click", copy);
setInterval(showAge, SECOND);
setTimeout(keepRenewing, SECOND);
