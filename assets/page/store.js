// This visitor's pictures, in this browser's own database: nothing of it is on the server.

const MOST_KEPT = 200;
const KEEP = "ldm-keep-pictures";
const keeping = () => localStorage.getItem(KEEP) !== "no";

const opened = new Promise((resolve, reject) => {
  const request = indexedDB.open("ldm", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("pictures", { keyPath: "id", autoIncrement: true });
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
opened.catch(() => {}); // a browser that keeps nothing (private windows of some) has no history

async function inStore(mode, work) {
  const database = await opened;
  return new Promise((resolve, reject) => {
    const transaction = database.transaction("pictures", mode);
    const request = work(transaction.objectStore("pictures"));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

const keptPictures = () => inStore("readonly", (store) => store.getAll());
const forgetPicture = (id) => inStore("readwrite", (store) => store.delete(id));
const forgetPictures = () => inStore("readwrite", (store) => store.clear());

// picture: {blob, name, caption, seed, recipe, made}. The oldest give way where there is no room.
async function keepPicture(picture) {
  if (!keeping()) return;
  try {
    await inStore("readwrite", (store) => store.add({ ...picture, at: Date.now() }));
    const keys = await inStore("readonly", (store) => store.getAllKeys());
    for (const key of keys.slice(0, -MOST_KEPT)) await forgetPicture(key);
  } catch (error) {
    if (error?.name !== "QuotaExceededError") return;
    const keys = await inStore("readonly", (store) => store.getAllKeys());
    for (const key of keys.slice(0, Math.ceil(keys.length / 4))) await forgetPicture(key);
  }
}
