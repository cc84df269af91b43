// The tab of kept pictures, drawn from this browser's store.

let historyUrls = [];

function entry(picture) {
  const item = document.createElement("li");
  const image = document.createElement("img");
  image.src = URL.createObjectURL(picture.blob);
  historyUrls.push(image.src);
  image.alt = phrase("picture_alt", { caption: picture.caption, seed: picture.seed });
  const caption = document.createElement("p");
  caption.textContent = picture.caption;
  const actions = document.createElement("div");
  actions.className = "ldm-actions";
  const ACTIONS = [
    ["history_use", () => window.ldmSend({ kind: "recipe", text: picture.recipe, made_with: picture.made })],
    ["explain", () => window.ldmExplain(picture.recipe)],
    ["sketch_tab", () => window.ldmSend({ kind: "picture", tab: "image_to_image", caption: picture.caption, blob: picture.blob, name: picture.name })],
    ["inpaint_tab", () => window.ldmSend({ kind: "picture", tab: "inpaint", caption: picture.caption, blob: picture.blob, name: picture.name })],
    ["upscale_tab", () => window.ldmSend({ kind: "picture", tab: "upscale", caption: picture.caption, blob: picture.blob, name: picture.name })],
    ["download", () => save(picture.blob, picture.name)],
    ["history_delete", () => forgetPicture(picture.id).then(showHistory)],
  ];
  for (const [key, act] of ACTIONS) {
    const button = document.createElement("button");
    button.type = "button";
    const said = document.createElement("span");
    said.dataset.say = key;
    said.textContent = phrase(key);
    button.append(said);
    button.addEventListener("click", act);
    actions.append(button);
  }
  item.append(image, caption, actions);
  return item;
}

async function showHistory() {
  const list = document.querySelector(".ldm-kept");
  if (!list) return; // the tab has not been opened yet
  let pictures = [];
  try {
    pictures = await keptPictures();
  } catch {
    // Nothing can be kept here, so nothing is.
  }
  historyUrls.forEach((url) => URL.revokeObjectURL(url));
  historyUrls = [];
  list.replaceChildren(...pictures.reverse().map(entry));
  list.closest(".ldm-history").dataset.count = String(pictures.length);
  list.closest(".ldm-history").querySelector('[data-do="history-keep"]').checked = keeping();
}

document.addEventListener("click", async (event) => {
  const action = event.target.closest?.("[data-do^=history-]")?.dataset.do;
  if (action === "history-all") {
    const pictures = await keptPictures();
    if (pictures.length) save(await zip(pictures), "pictures.zip");
  } else if (action === "history-clear") {
    const count = (await keptPictures()).length;
    if (!count || !confirm(phrase("history_sure", { count }))) return;
    await forgetPictures();
    showHistory();
  } else if (action === "history-keep") {
    localStorage.setItem(KEEP, event.target.checked ? "yes" : "no");
  }
});
