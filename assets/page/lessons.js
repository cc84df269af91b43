// Lessons: a worksheet as one HTML file (what stands hidden on the page, in the language it shows),
// and a teacher's links.

const SHEET = `
  body { font: 16px/1.5 system-ui, sans-serif; color: #161d1b; max-width: 760px; margin: 32px auto; padding: 0 20px; }
  h1 { font-size: 28px; margin: 0; } h2 { font-size: 19px; margin: 30px 0 6px; }
  .head { color: #667570; margin: 0; } .lines { display: flex; gap: 48px; } .lines span:first-child { flex: 1; border-bottom: 1px solid #c6cfcb; }
  figure { margin: 0; } img { max-width: 100%; min-width: 200px; border-radius: 8px; } figcaption { font-size: 14px; color: #4d5b56; }
  .how-pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 14px; margin: 12px 0; }
  .how-pictures img { width: 100%; } figcaption b, figcaption span { display: block; font-weight: 500; }
  section { break-inside: avoid; } dl div { display: flex; gap: 10px; } dt { color: #667570; min-width: 9em; } dd { margin: 0; white-space: pre-line; }
  blockquote { margin: 10px 0; padding-left: 14px; border-left: 4px solid #2a8f7b; font-size: 18px; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12px; background: #eff2f0; padding: 10px; border-radius: 8px; }
  .how-found { border-left: 4px solid #c6cfcb; padding-left: 14px; margin-top: 12px; } .how-found[data-right="true"] { border-color: #2a8f7b; }
  .how-verdict { font-weight: 600; margin: 0; } .own { white-space: pre-line; min-height: 90px; border: 1px solid #c6cfcb; border-radius: 8px; padding: 10px; }
  a { color: #0f5c4e; }
`;

function saveSheet(button) {
  const sheet = document.querySelector(".how-worksheet").cloneNode(true);
  sheet.hidden = false;
  sheet.querySelector(".own").textContent = document.querySelector("#how-lesson-own textarea")?.value ?? "";
  sheet.querySelector("time").textContent = new Date().toLocaleDateString(language);
  const file = document.implementation.createHTMLDocument(sheet.querySelector("h1").textContent);
  file.documentElement.lang = language;
  const charset = file.createElement("meta");
  charset.setAttribute("charset", "utf-8");
  const style = file.createElement("style");
  style.textContent = SHEET;
  file.head.prepend(charset);
  file.head.append(style);
  file.body.append(file.importNode(sheet, true));
  const text = "<!doctype html>\n" + file.documentElement.outerHTML;
  save(new Blob([text], { type: "text/html" }), `lesson-${button.dataset.name}.html`);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-do]");
  if (button?.dataset.do === "worksheet") saveSheet(button);
  if (button?.dataset.do === "lesson-link") copy(button.parentElement.querySelector("a").href, button);
});
