// The page's few habits: keys, marking the field at fault, keeping finished pictures' bytes.
() => {
  const shown = (selector) => [...document.querySelectorAll(selector)].find((e) => e.offsetParent !== null);

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const button = shown("button.ldm-generate");
      if (!button || button.disabled) return;
      event.preventDefault();
      event.stopPropagation();
      // A number being typed is taken over when its field is left.
      const field = document.activeElement;
      if (field?.tagName === "INPUT") field.blur();
      setTimeout(() => button.click(), 0);
    } else if (event.key === "Escape") {
      const button = shown("button.ldm-stop");
      if (button && !button.disabled) button.click();
    }
  }, true);

  // A message names its field in data-field; mark that field and bring the message into view.
  let marked = null;
  const mark = () => {
    const message = shown(".ldm-problem[data-field]");
    const key = message && message.dataset.field + message.textContent;
    if (key === marked) return;
    marked = key;
    document.querySelectorAll(".ldm-at-fault").forEach((e) => e.classList.remove("ldm-at-fault"));
    if (!message) return;
    document.getElementById(message.dataset.field)?.classList.add("ldm-at-fault");
    message.scrollIntoView({ block: "nearest", behavior: "smooth" });
  };

  // The server forgets a picture after minutes; the page fetches its bytes once, for the download.
  const kept = new WeakMap();
  const keep = async (link) => {
    const source = link.getAttribute("href");
    link.dataset.kept = "";
    try {
      const answer = await fetch(source);
      if (!answer.ok || link.getAttribute("href") !== source) return;
      const url = URL.createObjectURL(await answer.blob());
      if (link.getAttribute("href") !== source) return; // another picture has taken the place
      URL.revokeObjectURL(kept.get(link));
      kept.set(link, url);
      link.setAttribute("href", url);
    } catch {
      // Without the connection the link stays as it is: it works once the server is back.
    }
  };

  const look = () => {
    mark();
    document.querySelectorAll("a.ldm-download:not([data-kept])").forEach(keep);
  };
  new MutationObserver(look).observe(document.body, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["data-field", "href", "data-state"],
  });
  look();
}
