// Requests with exactly the headers that a test names: no browser and no fetch adds its own.
import http from "node:http";

/**
 * Sends one request and reads the whole answer. An answer that comes before the body was sent (413) counts.
 * @returns {Promise<{status: number, headers: object, text: string, json: any}>} `json` is undefined if it is none
 */
export function send(url, { method = "POST", headers = {}, body = "" } = {}) {
  const bytes = Buffer.from(body);
  return new Promise((resolve, reject) => {
    const length = method === "GET" ? {} : { "content-length": bytes.length };
    const request = http.request(url, { method, headers: { ...length, ...headers }, agent: false });
    let answered = false;
    request.on("error", (error) => answered || reject(error));
    request.on("response", async (response) => {
      answered = true;
      try {
        const text = Buffer.concat(await response.toArray()).toString();
        resolve({ status: response.statusCode, headers: response.headers, text, json: parsed(text) });
      } catch (error) {
        reject(error);
      }
    });
    request.end(method === "GET" ? undefined : bytes);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
