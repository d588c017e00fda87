/** Names of what spans say of documents: sizes and counts, never content. */
export const ATTR_DOCUMENT_ID = 'ragbase.document.id';
export const ATTR_DOCUMENT_ATTEMPT = 'ragbase.document.attempt';
export const ATTR_DOCUMENT_FORMAT = 'ragbase.document.format';
export const ATTR_DOCUMENT_BYTES = 'ragbase.document.bytes';
/** Length of the extracted text, in UTF-16 units. */
export const ATTR_TEXT_CHARACTERS = 'ragbase.text.characters';
export const ATTR_CHUNK_COUNT = 'ragbase.chunk.count';
