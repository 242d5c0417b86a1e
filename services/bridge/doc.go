// Package bridge stamps content: it hashes it, marks it with a stamp that can be removed again without a trace, and tells
// whether stamped content is still what was stamped.
//
// # Two kinds of stamp
//
// A lightweight stamp is the first line of the content:
//
//	# ONEX:uid=<uuid>,hash=<64 hex digits>,ts=<RFC 3339>
//
// Further ",name=value" pairs after ts are read and ignored. A rich stamp is three HTML comments at the very end:
//
//	<!-- ONEX_METADATA_START -->
//	<!-- {"uid":"…","hash":"…","timestamp":"…",…} -->
//	<!-- ONEX_METADATA_END -->
//
// Only a well-formed stamp in its own place counts. The same text anywhere else, or with one character wrong, is content
// like any other.
//
// # The hash
//
// The hash is BLAKE3 of the exact bytes that are left once every stamp is removed: nothing is trimmed and no newline is
// changed, so the hash of content without a stamp is what b3sum prints for it.
//
// # What stamping does to the bytes
//
// A stamp is written with the line ending of the content's first line, so that a CRLF file stays one. The newline that
// separates a rich stamp from what is above it belongs to the stamp: content without a final newline is without one again
// after [Strip]. For content x and any stamp, Strip(Apply(x, stamp)) equals Strip(x), and Strip(x) equals x where x has no
// stamp. Stamping stamped content replaces its stamps, of both kinds, and never adds to them.
//
// A lightweight stamp takes the first line whatever stood there. A #! line or a byte order mark moves down and loses its
// meaning, while a Python encoding line still counts in the second line. For scripts, keep the stamp beside the file, or
// strip it before the file is used.
package bridge
