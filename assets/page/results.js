// Finished pictures: their bytes are fetched once and kept, and their buttons do what they say.

const blobs = new Map(); // what a link led to -> its bytes
const known = new Map(); // where a picture was fetched from -> its own address in this page

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function aboutFigure(figure) {
  const { recipe, made, parameters } = figure.dataset;
  const link = figure.querySelector("a.ldm-download");
  return { recipe, made, parameters, link, name: link.download, read: JSON.parse(recipe) };
}

// The server forgets a picture after minutes; the page takes its bytes at once.
async function keepBytes(link) {
  const source = link.getAttribute("href");
  link.dataset.kept = "";
  if (known.has(source)) return link.setAttribute("href", known.get(source)); // shown anew
  try {
    const answer = await fetch(source);
    if (!answer.ok) return;
    const blob = await answer.blob();
    const url = URL.createObjectURL(blob);
    known.set(source, url);
    blobs.set(url, blob);
    forgetOldest();
    const figure = link.closest("figure");
    if (link.getAttribute("href") === source) link.setAttribute("href", url);
    if (!figure?.dataset.recipe || seenBefore(source)) return;
    const { recipe, made, name, read } = aboutFigure(figure);
    await keepPicture({ blob, name, recipe, made, caption: read.prompt, seed: read.seed });
    showHistory();
  } catch {
    // Without the connection the link stays as it is: it works once the server is back.
  }
}

// What the page no longer shows need not stay in memory.
function forgetOldest() {
  const shownNow = new Set([...document.querySelectorAll("a.ldm-download")].map((link) => link.getAttribute("href")));
  for (const [source, url] of [...known].slice(0, -100)) {
    if (shownNow.has(url) || shownNow.has(source)) continue;
    URL.revokeObjectURL(url);
    blobs.delete(url);
    known.delete(source);
  }
}

// A result that is shown again after a reload is in the history already.
function seenBefore(source) {
  const seen = JSON.parse(sessionStorage.getItem("ldm-seen") ?? "[]");
  const name = source.split("/").slice(-2).join("/"); // Gradio names the folder by the bytes
  if (seen.includes(name)) return true;
  sessionStorage.setItem("ldm-seen", JSON.stringify([...seen.slice(-49), name]));
  return false;
}

async function bytesOf(figure) {
  const url = figure.querySelector("a.ldm-download").getAttribute("href");
  return blobs.get(url) ?? (await (await fetch(url)).blob());
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages without https may not use the clipboard; an old command still may.
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  const said = button.querySelector("[data-say]");
  const before = said.dataset.say;
  said.dataset.say = "copied";
  said.textContent = phrase("copied");
  button.setAttribute("aria-live", "polite");
  setTimeout(() => {
    said.dataset.say = before;
    said.textContent = phrase(before);
  }, 1600);
}

function linkTo({ recipe, made }) {
  const { ldm, model_hash } = JSON.parse(made || "{}");
  const whole = new TextEncoder().encode(JSON.stringify({ recipe, made_with: { ldm, model_hash } }));
  const text = btoa(String.fromCharCode(...whole)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return `${location.origin}${location.pathname}?q=${text}`;
}

function sendSeed(figure, more = {}) {
  const tab = figure.closest("[id$=-stage]").id.replace(/-stage$/, "");
  const { seed, variation_seed, variation_strength } = aboutFigure(figure).read;
  window.ldmSend({ kind: "seed", tab, seed, variation_seed, variation_strength, ...more });
}

const FIGURE_ACTIONS = {
  use: (figure) => window.ldmSend({ kind: "recipe", text: figure.dataset.recipe, made_with: figure.dataset.made }),
  seed: (figure) => sendSeed(figure),
  vary: (figure) => sendSeed(figure, { vary: true }),
  bare: async (figure) => save(await bare(await bytesOf(figure)), aboutFigure(figure).name),
  send: async (figure, button) => {
    const { read, name } = aboutFigure(figure);
    window.ldmSend({ kind: "picture", tab: button.dataset.to, caption: read.prompt, blob: await bytesOf(figure), name });
    window.scrollTo({ top: 0, behavior: "smooth" });
  },
  compare: (figure, button) => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    figure.querySelector(".ldm-frame").toggleAttribute("data-compare", on);
    if (on) figure.querySelector(".ldm-frame input").focus();
  },
  "copy-recipe": (figure, button) => copy(figure.dataset.recipe, button),
  "copy-parameters": (figure, button) => copy(figure.dataset.parameters, button),
  "copy-link": (figure, button) => copy(linkTo(aboutFigure(figure)), button),
};

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-do]");
  const action = button && FIGURE_ACTIONS[button.dataset.do];
  if (!action) return;
  // The recipe under several pictures is the first one's.
  const figure = button.closest("figure") ?? button.closest(".ldm-stage").querySelector("figure");
  action(figure, button);
});

document.addEventListener("input", (event) => {
  const frame = event.target.closest?.(".ldm-frame[data-compare]");
  if (frame) frame.style.setProperty("--cut", `${event.target.value}%`);
});
