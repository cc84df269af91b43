// Recipes from outside: a picture dropped anywhere, text pasted into a caption, a link's ?q=.

const FOREIGN = /(^|\n)Steps: \d+, \S/; // as stable-diffusion-webui writes
const currentTab = () => shown("[id$=-generate]")?.id.replace(/-generate$/, "") ?? "text_to_image";

async function readRecipe(blob) {
  const text = await pngText(blob);
  if (text.recipe) return { text: text.recipe, made_with: text.made_with ?? "{}" };
  return text.parameters ? { text: text.parameters } : null;
}

async function takeFile(file) {
  const recipe = await readRecipe(file);
  if (recipe) return window.ldmSend({ kind: "recipe", task: currentTab(), ...recipe });
  // No recipe in it: a picture to work on, where the tab takes one.
  const tab = document.querySelector(`#${currentTab()}-easel-files`) ? currentTab() : "image_to_image";
  return window.ldmSend({ kind: "picture", tab, blob: file, name: file.name });
}

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  document.body.classList.add("ldm-dropping");
});
for (const end of ["dragleave", "drop"]) {
  document.addEventListener(end, (event) => {
    if (end === "drop" || !event.relatedTarget) document.body.classList.remove("ldm-dropping");
  });
}
document.addEventListener("drop", (event) => {
  // The sheet takes pictures dropped on it itself, recipe or not.
  if (!hasFiles(event) || event.defaultPrevented) return;
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) takeFile(file);
});

document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (file) {
    event.preventDefault();
    takeFile(file);
    return;
  }
  const text = event.clipboardData.getData("text/plain");
  const own = text.trimStart().startsWith('{"recipe"');
  if (!event.target.closest?.(".ldm-prompt") || !(own || FOREIGN.test(text))) return;
  event.preventDefault();
  window.ldmSend({ kind: "recipe", task: currentTab(), text });
}, true);

document.addEventListener("click", (event) => {
  const button = event.target.closest?.('.ldm-notice [data-do="close"]');
  if (button) button.closest(".ldm-notice").hidden = true;
});

// A link's recipe is taken once the page is ready and can send it.
function takeLink() {
  const address = new URL(location.href);
  const query = address.searchParams.get("q");
  if (!query) return;
  if (!window.ldmSend) return window.addEventListener("ldm-courier", takeLink, { once: true });
  address.searchParams.delete("q"); // so that a reload keeps what was changed since
  history.replaceState(null, "", address);
  window.ldmSend({ kind: "recipe", query });
}
window.addEventListener("ldm-ready", () => setTimeout(takeLink, 0));
