// Each operation of the npm package dicomweb-client against a server: `node dicomweb_client.mjs PACKAGE ROOT FILE FILE`.
// The first file is an image of two frames, the second one of the same study; both are not on the server yet.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [library, root, ...files] = process.argv.slice(2);
const require = createRequire(library);
globalThis.XMLHttpRequest = require("xhr2");
const { DICOMwebClient } = require(library).api;

const used = new Set();
const plain = new DICOMwebClient({ url: root, singlepart: "", verbose: false });
const client = new Proxy(plain, {
  get(target, name) {
    used.add(name);
    return target[name].bind(target);
  },
});

const contents = files.map((file) => {
  const bytes = readFileSync(file);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
});
const valueOf = (item, tag) => item[tag].Value[0];
const bytesOf = (data) => Buffer.from(Array.isArray(data) ? data[0] : data); // pictures come as the only one of a list
const isJpeg = (data) => bytesOf(data).subarray(0, 2).equals(Buffer.from([0xff, 0xd8]));
const isPng = (data) => bytesOf(data).subarray(1, 4).toString() === "PNG";
const isFile = (data) => bytesOf(data).subarray(128, 132).toString() === "DICM";

// Store, as a whole and to a study.
const answer = JSON.parse(await client.storeInstances({ datasets: contents.slice(0, 1) }));
assert.equal(answer["00081199"].Value.length, 1);
const [study] = await client.searchForStudies();
const studyInstanceUID = valueOf(study, "0020000D");
await client.storeInstances({ datasets: contents.slice(1), studyInstanceUID });
await assert.rejects(client.storeInstances({ datasets: contents.slice(1), studyInstanceUID: "1.2.3" }));

// Search.
assert.equal((await client.searchForStudies({ queryParams: { PatientID: "nobody" } })).length, 0);
assert.equal((await client.searchForStudies({ queryParams: { StudyInstanceUID: studyInstanceUID } })).length, 1);
const [series] = await client.searchForSeries({ studyInstanceUID });
const seriesInstanceUID = valueOf(series, "0020000E");
assert.equal((await client.searchForSeries()).length, 1);
assert.equal((await client.searchForInstances()).length, 2);
assert.equal((await client.searchForInstances({ studyInstanceUID })).length, 2);
const found = await client.searchForInstances({ studyInstanceUID, seriesInstanceUID, queryParams: { InstanceNumber: "1" } });
assert.equal(found.length, 1);
const place = { studyInstanceUID, seriesInstanceUID, sopInstanceUID: valueOf(found[0], "00080018") };

// Retrieve: metadata, instances, frames, bulk data.
assert.equal((await client.retrieveStudyMetadata({ studyInstanceUID })).length, 2);
assert.equal((await client.retrieveSeriesMetadata({ studyInstanceUID, seriesInstanceUID })).length, 2);
const metadata = (await client.retrieveInstanceMetadata(place))[0];
assert.equal(metadata["00100010"].Value[0].Alphabetic, "Müller^Jörg");
assert.equal((await client.retrieveStudy({ studyInstanceUID })).filter(isFile).length, 2);
assert.equal((await client.retrieveSeries({ studyInstanceUID, seriesInstanceUID })).filter(isFile).length, 2);
assert.deepEqual(bytesOf(await client.retrieveInstance(place)), bytesOf(contents[0]));
const frames = await client.retrieveInstanceFrames({ ...place, frameNumbers: [2, 1] });
assert.deepEqual(frames.map((frame) => bytesOf(frame)[0]), [32, 0]);
const bulk = await client.retrieveBulkData({ BulkDataURI: new URL(metadata["7FE00010"].BulkDataURI, `${root}/`).href });
assert.equal(bulk[0].byteLength, 64);
assert.deepEqual(bytesOf(bulk[0]), Buffer.concat(frames.reverse().map(bytesOf)));

// Pictures, and WADO-URI.
const jpeg = [{ mediaType: "image/jpeg" }];
assert.ok(isJpeg(await client.retrieveInstanceRendered({ ...place, mediaTypes: jpeg })));
assert.ok(isPng(await client.retrieveInstanceRendered({ ...place, mediaTypes: [{ mediaType: "image/png" }] })));
assert.ok(isJpeg(await client.retrieveInstanceThumbnail({ ...place, mediaTypes: jpeg })));
const one = { ...place, frameNumbers: [2], mediaTypes: jpeg };
assert.ok(isJpeg(await client.retrieveInstanceFramesRendered(one)));
assert.ok(isJpeg(await client.retrieveInstanceFramesThumbnail(one)));
const uri = client.buildInstanceWadoURIUrl({ ...place, contentType: "image/jpeg" });
const other = new DICOMwebClient({ url: root.replace("/dicom-web", "/wado") });
assert.ok(uri.includes("requestType=WADO"));
assert.ok(isJpeg(await (await fetch(other.buildInstanceWadoURIUrl({ ...place, contentType: "image/jpeg" }))).arrayBuffer()));

// Nothing that the client can do is left out.
const operations = Object.getOwnPropertyNames(DICOMwebClient.prototype);
const missing = operations.filter((name) => /^(store|searchFor|retrieve|build)/.test(name) && !used.has(name));
assert.deepEqual(missing, []);
