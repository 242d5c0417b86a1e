package registry_test

import (
	"strings"
	"testing"
)

const (
	objectGUID = "01fc056e-ed58-c88f-e1c5-07fcd84dd4b7" // of {"type":"object"}
	object     = `{"type":"object"}`
	named      = `{"type":"object","properties":{"name":{"type":"string"}}}`
	demanding  = `{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`
)

// trim takes out of an answer what differs from run to run.
func trim(s string) string {
	for {
		before, rest, found := strings.Cut(s, `,"ts":`)
		if !found {
			return s
		}
		s = before + strings.TrimLeft(rest, "0123456789")
	}
}

// step is one request and its answer.
type step struct{ method, path, body, want string }

func (c *client) steps(t *testing.T, steps ...step) {
	t.Helper()
	for _, s := range steps {
		body := s.body
		if strings.HasPrefix(body, `{"type"`) {
			body = jsonSchema(t, body)
		}
		status, got := c.do(s.method, s.path, body)
		if line := statusLine(status) + trim(got); line != s.want {
			t.Errorf("%s %s %s\n got %s\nwant %s", s.method, s.path, s.body, line, s.want)
		}
	}
}

func TestAVersionIsRegisteredFoundAndListed(t *testing.T) {
	c := start(t)
	const entity = `"version":1,"id":1,"guid":"` + objectGUID + `","schemaType":"JSON","schema":"{\"type\":\"object\"}"}`
	c.steps(
		t,
		step{"GET", "/", "", `200 {}`},
		step{"GET", "/subjects", "", `200 []`},
		step{"GET", "/schemas/types", "", `200 ["JSON"]`},
		step{"GET", "/contexts", "", `200 ["."]`},
		step{"POST", "/subjects/a/versions", jsonSchema(t, "{ \"type\" :\n\"object\"}"), `200 {` + entity},
		step{"POST", "/subjects/a/versions", object, `200 {` + entity},
		step{"POST", "/subjects/b%2Fc:d/versions", object, `200 {` + entity},
		step{"GET", "/subjects", "", `200 ["a","b/c:d"]`},
		step{"GET", "/subjects?subjectPrefix=b", "", `200 ["b/c:d"]`},
		step{"GET", "/subjects?offset=1&limit=1", "", `200 ["b/c:d"]`},
		step{"GET", "/subjects?subjectPrefix=:*:", "", `200 ["a","b/c:d"]`},
		step{"GET", "/subjects/b%2Fc:d/versions", "", `200 [1]`},
		step{"GET", "/subjects/a/versions/latest", "", `200 {"subject":"a",` + entity},
		step{"GET", "/subjects/a/versions/-1", "", `200 {"subject":"a",` + entity},
		step{"GET", "/subjects/a/versions/1/", "", `200 {"subject":"a",` + entity},
		step{"GET", "/subjects/a/versions/1/schema", "", `200 {"type":"object"}`},
		step{"GET", "/subjects/a/versions/2", "", `404 {"error_code":40402,"message":"Version 2 not found."}`},
		step{"GET", "/subjects/a/versions/0", "", `422 {"error_code":42202,"message":"The specified version '0' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\""}`},
		step{"GET", "/subjects/x/versions", "", `404 {"error_code":40401,"message":"Subject 'x' not found."}`},
		step{"GET", "/schemas/ids/1", "", `200 {"guid":"` + objectGUID + `","schemaType":"JSON","schema":"{\"type\":\"object\"}"}`},
		step{"GET", "/schemas/ids/1?fetchMaxId=true", "", `200 {"guid":"` + objectGUID + `","schemaType":"JSON","schema":"{\"type\":\"object\"}","maxId":1}`},
		step{"GET", "/schemas/ids/1/schema", "", `200 {"type":"object"}`},
		step{"GET", "/schemas/ids/1/subjects", "", `200 ["a","b/c:d"]`},
		step{"GET", "/schemas/ids/1/versions", "", `200 [{"subject":"a","version":1},{"subject":"b/c:d","version":1}]`},
		step{"GET", "/schemas/ids/1/versions?subject=a", "", `200 [{"subject":"a","version":1}]`},
		step{"GET", "/schemas/ids/2", "", `404 {"error_code":40403,"message":"Schema 2 not found"}`},
		step{"GET", "/schemas/guids/" + objectGUID, "", `200 {"guid":"` + objectGUID + `","schemaType":"JSON","schema":"{\"type\":\"object\"}"}`},
		step{"GET", "/schemas/guids/" + objectGUID + "/ids", "", `200 [{"context":".","id":1}]`},
		step{"GET", "/schemas/guids/x", "", `404 {"error_code":40403,"message":"Schema x not found"}`},
		step{"POST", "/subjects/a", object, `200 {"subject":"a",` + entity},
		step{"POST", "/subjects/a", named, `404 {"error_code":40403,"message":"Schema not found"}`},
		step{"POST", "/subjects/x", object, `404 {"error_code":40401,"message":"Subject 'x' not found."}`},
		step{"PUT", "/config", `{"compatibility":"NONE"}`, `200 {"compatibility":"NONE"}`},
		step{"POST", "/subjects/a/versions", named, `200 {"version":2,"id":2,"guid":"c51f76a8-4e24-113b-db25-6d8bab180156","schemaType":"JSON","schema":"{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}}}"}`},
		step{"GET", "/subjects/a/versions", "", `200 [1,2]`},
		step{"GET", "/schemas?latestOnly=true&subjectPrefix=b", "", `200 [{"subject":"b/c:d",` + entity + `]`},
		step{"GET", "/status/ready", "", `200 {}`},
		step{"GET", "/v1/metadata/version", "", `200 {"version":"0.0.1","commitId":"abc"}`},
		step{"GET", "/v1/metadata/id", "", `200 {"id":"","scope":{"path":[],"clusters":{"schema-registry-cluster":"omnibus-registry"}}}`},
		step{"GET", "/v1/metadata/deployment", "", `200 {"attributes":["omnibus","writer"]}`},
	)
}

func TestWhatCannotBeRegisteredIsRefused(t *testing.T) {
	c := start(t)
	for _, tc := range []struct{ name, path, body, want string }{
		{"no type", "/subjects/a/versions", `{"schema":"{}"}`, `422 {"error_code":42201,"message":"Invalid schema: type AVRO, as where schemaType is left out, is not taken by this registry; for a JSON Schema say \"schemaType\": \"JSON\""}`},
		{"protobuf", "/subjects/a/versions", `{"schema":"x","schemaType":"PROTOBUF"}`, `422 {"error_code":42201,"message":"Invalid schema: type PROTOBUF is not taken by this registry; for a JSON Schema say \"schemaType\": \"JSON\""}`},
		{"another type", "/subjects/a/versions", `{"schema":"x","schemaType":"XML"}`, `422 {"error_code":42201,"message":"Invalid schema: type XML is unknown; this registry takes JSON"}`},
		{"empty", "/subjects/a/versions", `{"schema":"","schemaType":"JSON"}`, `422 {"error_code":42201,"message":"Invalid schema: it is empty"}`},
		{"not JSON", "/subjects/a/versions", `{"schema":"{","schemaType":"JSON"}`, `422 {"error_code":42201,"message":"Invalid schema: details: canonical schema: line 1, column 2: the text ends before its JSON value does"}`},
		{"no schema", "/subjects/a/versions", `{"schema":"{\"type\":\"strnig\"}","schemaType":"JSON"}`, `422 {"error_code":42201,`},
		{"a file", "/subjects/a/versions", `{"schema":"{\"$ref\":\"file:///etc/passwd\"}","schemaType":"JSON"}`, `422 {"error_code":42201,`},
		{"a reference to nothing", "/subjects/a/versions", `{"schema":"{\"$ref\":\"b.json\"}","schemaType":"JSON","references":[{"name":"b.json","subject":"b","version":1}]}`, `422 {"error_code":42201,"message":"Invalid schema: no schema reference found for subject \"b\" and version 1"}`},
		{"an id outside of IMPORT", "/subjects/a/versions", `{"schema":"{}","schemaType":"JSON","id":7}`, `422 {"error_code":42205,"message":"Subject a is not in import mode"}`},
		{"a subject of another context", "/subjects/:.x:a/versions", `{"schema":"{}","schemaType":"JSON"}`, `422 {"error_code":42208,"message":"The specified subject ':.x:a' is not a valid subject."}`},
		{"no body", "/subjects/a/versions", ``, `422 {"error_code":422,"message":"the request has no body"}`},
		{"a body of something else", "/subjects/a/versions", `[1]`, `400 {"error_code":400,`},
		{"a long schema", "/subjects/a/versions", `{"schemaType":"JSON","schema":"` + strings.Repeat(" ", 600<<10) + `1"}`, `422 {"error_code":42209,"message":"Schema is larger than 524288 bytes"}`},
		{"a long body", "/subjects/a/versions", `{"schema":"` + strings.Repeat(" ", 1<<20) + `"}`, `413 {"error_code":413,"message":"the body is larger than 1048576 bytes"}`},
		{"no such path", "/nothing", `{}`, `404 {"error_code":404,"message":"HTTP 404 Not Found"}`},
		{"no such method", "/schemas/types", `{}`, `405 {"error_code":405,"message":"HTTP 405 Method Not Allowed"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, got := c.do("POST", tc.path, tc.body)
			if line := statusLine(status) + got; !strings.HasPrefix(line, tc.want) {
				t.Errorf("got  %s\nwant %s", line, tc.want)
			}
		})
	}
	if _, got := c.do("GET", "/subjects", ""); got != "[]" {
		t.Errorf("subjects: %s", got)
	}
}

func TestNullsAndUnknownMembersAreAccepted(t *testing.T) {
	c := start(t)
	status, got := c.do("POST", "/subjects/a/versions", `{"schema":"{}","schemaType":"JSON","references":null,"metadata":null,"ruleSet":null,"id":null,"version":null,"new":{"x":1}}`)
	if status != 200 {
		t.Errorf("%d %s", status, got)
	}
}

func TestDeletingIsSoftThenHard(t *testing.T) {
	c := start(t)
	c.steps(
		t,
		step{"POST", "/subjects/a/versions", object, `200 {"version":1,"id":1,"guid":"` + objectGUID + `","schemaType":"JSON","schema":"{\"type\":\"object\"}"}`},
		step{"DELETE", "/subjects/x", "", `404 {"error_code":40401,"message":"Subject 'x' not found."}`},
		step{"DELETE", "/subjects/a/versions/3", "", `404 {"error_code":40402,"message":"Version 3 not found."}`},
		step{"DELETE", "/subjects/a?permanent=true", "", `404 {"error_code":40405,"message":"Subject 'a' was not deleted first before being permanently deleted"}`},
		step{"DELETE", "/subjects/a/versions/1?permanent=true", "", `404 {"error_code":40407,"message":"Subject 'a' Version 1 was not deleted first before being permanently deleted"}`},
		step{"DELETE", "/subjects/a/versions/latest", "", `200 1`},
		step{"DELETE", "/subjects/a/versions/1", "", `404 {"error_code":40406,"message":"Subject 'a' Version 1 was soft deleted. Set permanent=true to delete permanently"}`},
		step{"DELETE", "/subjects/a", "", `404 {"error_code":40404,"message":"Subject 'a' was soft deleted. Set permanent=true to delete permanently"}`},
		step{"GET", "/subjects", "", `200 []`},
		step{"GET", "/subjects?deleted=true", "", `200 ["a"]`},
		step{"GET", "/subjects?deletedOnly=true", "", `200 ["a"]`},
		step{"GET", "/subjects/a/versions?deletedOnly=true", "", `200 [1]`},
		step{"GET", "/schemas/ids/1/schema", "", `200 {"type":"object"}`},
		step{"GET", "/schemas/ids/1/subjects", "", `200 []`},
		step{"GET", "/schemas/ids/1/subjects?deleted=true", "", `200 ["a"]`},
		step{"GET", "/subjects/a/versions/1", "", `404 {"error_code":40401,"message":"Subject 'a' not found."}`},
		step{"GET", "/subjects/a/versions/1?deleted=true", "", `200 {"subject":"a","version":1,"id":1,"guid":"` + objectGUID + `","schemaType":"JSON","schema":"{\"type\":\"object\"}","deleted":true}`},
		// restored under the next version, and with its id
		step{"POST", "/subjects/a/versions", object, `200 {"version":2,"id":1,"guid":"` + objectGUID + `","schemaType":"JSON","schema":"{\"type\":\"object\"}"}`},
		step{"DELETE", "/subjects/a", "", `200 [2]`},
		step{"DELETE", "/subjects/a/versions/1?permanent=true", "", `200 1`},
		step{"DELETE", "/subjects/a?permanent=true", "", `200 [2]`},
		step{"GET", "/subjects?deleted=true", "", `200 []`},
		step{"GET", "/schemas/ids/1", "", `404 {"error_code":40403,"message":"Schema 1 not found"}`},
		// versions begin anew, ids never do
		step{"POST", "/subjects/a/versions", object, `200 {"version":1,"id":2,"guid":"` + objectGUID + `","schemaType":"JSON","schema":"{\"type\":\"object\"}"}`},
	)
}

func TestReferencesAreResolvedAndKept(t *testing.T) {
	c := start(t)
	const ref = `"references":[{"name":"name.json","subject":"name","version":1}]`
	register := `{"schemaType":"JSON","schema":"{\"type\":\"object\",\"properties\":{\"name\":{\"$ref\":\"name.json\"}}}",` + ref + `}`
	status, got := c.do("POST", "/subjects/name/versions", jsonSchema(t, `{"type":"string"}`))
	if status != 200 {
		t.Fatalf("%d %s", status, got)
	}
	if status, got = c.do("POST", "/subjects/person/versions", register); status != 200 || !strings.Contains(got, ref) {
		t.Errorf("%d %s", status, got)
	}
	const blocked = `422 {"error_code":42206,"message":"One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=name,version=1}."}`
	c.steps(
		t,
		step{"GET", "/subjects/name/versions/1/referencedby", "", `200 [2]`},
		step{"GET", "/subjects/name/versions/1/referencedBy", "", `200 [2]`},
		step{"GET", "/subjects/person/versions/1/referencedby", "", `200 []`},
		step{"DELETE", "/subjects/name", "", blocked},
		step{"DELETE", "/subjects/name/versions/1", "", blocked},
		// the change of what it refers to is a change of the schema
		step{"POST", "/compatibility/subjects/person/versions/latest", `{"type":"object","properties":{"name":{"type":"string"}}}`, `200 {"is_compatible":true}`},
		step{"POST", "/compatibility/subjects/person/versions/latest", `{"type":"object","properties":{"name":{"type":"integer"}}}`, `200 {"is_compatible":false}`},
		step{"DELETE", "/subjects/person", "", `200 [1]`},
		step{"DELETE", "/subjects/name", "", `200 [1]`},
		step{"DELETE", "/subjects/name?permanent=true", "", blocked}, // what is deleted softly can be read, and needs it
		step{"DELETE", "/subjects/person?permanent=true", "", `200 [1]`},
		step{"DELETE", "/subjects/name?permanent=true", "", `200 [1]`},
	)
}

func TestConfigIsSetPerSubjectOverThatOfAll(t *testing.T) {
	c := start(t)
	c.steps(
		t,
		step{"GET", "/config", "", `200 {"compatibilityLevel":"FULL_TRANSITIVE","compatibilityPolicy":"ROLE"}`},
		step{"GET", "/config/a", "", `404 {"error_code":40408,"message":"Subject 'a' does not have subject-level compatibility configured"}`},
		step{"GET", "/config/a?defaultToGlobal=true", "", `200 {"compatibilityLevel":"FULL_TRANSITIVE","compatibilityPolicy":"ROLE"}`},
		step{"PUT", "/config", `{"compatibility":"backward"}`, `200 {"compatibility":"BACKWARD"}`},
		step{"PUT", "/config/a", `{"compatibility":"NONE","compatibilityPolicy":"LENIENT","normalize":true,"compatibilityGroup":"major","alias":null}`, `200 {"compatibility":"NONE","compatibilityPolicy":"LENIENT","compatibilityGroup":"major","normalize":true}`},
		step{"PUT", "/config/a", `{"alias":"b"}`, `200 {"alias":"b"}`},
		step{"GET", "/config/a", "", `200 {"compatibilityLevel":"NONE","compatibilityPolicy":"LENIENT","compatibilityGroup":"major","normalize":true,"alias":"b"}`},
		step{"GET", "/config", "", `200 {"compatibilityLevel":"BACKWARD","compatibilityPolicy":"ROLE"}`},
		step{"PUT", "/config", `{"compatibility":"SIDEWAYS"}`, `422 {"error_code":42203,"message":"Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive"}`},
		step{"PUT", "/config", `{"compatibilityPolicy":"LOGICAL"}`, `422 {"error_code":42203,"message":"Invalid compatibility policy 'LOGICAL'. Valid values are role, strict and lenient"}`},
		step{"DELETE", "/config/a", "", `200 {"compatibility":"NONE","compatibilityLevel":"NONE","compatibilityPolicy":"LENIENT","compatibilityGroup":"major","normalize":true,"alias":"b"}`},
		step{"DELETE", "/config/a", "", `404 {"error_code":40401,"message":"Subject 'a' not found."}`},
		step{"DELETE", "/config", "", `200 {"compatibility":"BACKWARD","compatibilityLevel":"BACKWARD"}`},
		step{"GET", "/config", "", `200 {"compatibilityLevel":"FULL_TRANSITIVE","compatibilityPolicy":"ROLE"}`},
	)
}

func TestModes(t *testing.T) {
	c := start(t)
	const readOnly = `422 {"error_code":42205,"message":"Subject a is in read-only mode"}`
	c.steps(
		t,
		step{"GET", "/mode", "", `200 {"mode":"READWRITE"}`},
		step{"GET", "/mode/a", "", `404 {"error_code":40409,"message":"Subject 'a' does not have subject-level mode configured"}`},
		step{"GET", "/mode/a?defaultToGlobal=true", "", `200 {"mode":"READWRITE"}`},
		step{"PUT", "/mode", `{"mode":"SOMETIMES"}`, `422 {"error_code":42204,"message":"Invalid mode. Valid values are READWRITE, READONLY and IMPORT"}`},
		step{"PUT", "/mode/a", `{"mode":"IMPORT"}`, `200 {"mode":"IMPORT"}`},
		step{"POST", "/subjects/a/versions", object, `422 {"error_code":42205,"message":"Subject a is not in read-write mode"}`},
		step{"POST", "/subjects/a/versions", `{"schemaType":"JSON","schema":"{\"type\":\"object\"}","id":40,"version":3}`, `200 {"version":3,"id":40,"guid":"` + objectGUID + `","schemaType":"JSON","schema":"{\"type\":\"object\"}"}`},
		step{"POST", "/subjects/a/versions", `{"schemaType":"JSON","schema":"{\"type\":\"string\"}","id":40,"version":4}`, `422 {"error_code":42205,"message":"Overwrite new schema with id 40 is not permitted."}`},
		step{"POST", "/subjects/a/versions", `{"schemaType":"JSON","schema":"{\"type\":\"object\"}","id":41,"version":4}`, `422 {"error_code":42207,"message":"The schema is registered under id 40, which does not match the given id 41"}`},
		step{"POST", "/subjects/a/versions", `{"schemaType":"JSON","schema":"{\"type\":\"string\"}","id":41,"version":3}`, `422 {"error_code":42205,"message":"Subject a has another schema as version 3"}`},
		step{"PUT", "/mode/a", `{"mode":"READONLY"}`, `200 {"mode":"READONLY"}`},
		step{"POST", "/subjects/a/versions", named, readOnly},
		step{"DELETE", "/subjects/a", "", readOnly},
		step{"PUT", "/config/a", `{"compatibility":"NONE"}`, readOnly},
		step{"PUT", "/mode/a", `{"mode":"IMPORT"}`, `422 {"error_code":42205,"message":"Cannot import since found existing schemas under subject a"}`},
		step{"PUT", "/mode", `{"mode":"IMPORT"}`, `422 {"error_code":42205,"message":"Cannot import since found existing subjects"}`},
		step{"PUT", "/mode?force=true", `{"mode":"IMPORT"}`, `200 {"mode":"IMPORT"}`},
		step{"DELETE", "/mode/a", "", `200 {"mode":"READONLY"}`},
		step{"DELETE", "/mode/a", "", `404 {"error_code":40401,"message":"Subject 'a' not found."}`},
		step{"GET", "/mode/a?defaultToGlobal=true", "", `200 {"mode":"IMPORT"}`},
		step{"DELETE", "/mode?recursive=true", "", `200 {"mode":"IMPORT"}`},
		step{"GET", "/mode", "", `200 {"mode":"READWRITE"}`},
		step{"POST", "/subjects/b/versions", named, `200 {"version":1,"id":41,"guid":"c51f76a8-4e24-113b-db25-6d8bab180156","schemaType":"JSON","schema":"{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}}}"}`},
	)
}

func TestMetadataIsPartOfTheSchema(t *testing.T) {
	c := start(t)
	with := func(owner string) string {
		return `{"schemaType":"JSON","schema":"{\"type\":\"object\"}","metadata":{"properties":{"owner":"` + owner + `"},"tags":{}},"ruleSet":{"domainRules":[{"name":"r","kind":"CONDITION","type":"CEL","mode":"WRITE"}]}}`
	}
	const kept = `"metadata":{"properties":{"owner":"ann"}},"ruleSet":{"domainRules":[{"name":"r","kind":"CONDITION","mode":"WRITE","type":"CEL","disabled":false}]}`
	for range 2 {
		if status, got := c.do("POST", "/subjects/a/versions", with("ann")); status != 200 || !strings.Contains(got, `"version":1,"id":1,`) || !strings.Contains(got, kept) {
			t.Errorf("%d %s", status, got)
		}
	}
	if status, got := c.do("POST", "/subjects/a/versions", with("bob")); status != 200 || !strings.Contains(got, `"version":2,"id":2,`) {
		t.Errorf("%d %s", status, got)
	}
	if status, got := c.do("POST", "/subjects/a", jsonSchema(t, object)); status != 200 || !strings.Contains(got, `"version":2`) {
		t.Errorf("found without metadata: %d %s", status, got)
	}
	if status, got := c.do("GET", "/subjects/a/metadata?key=owner&value=ann", ""); status != 200 || !strings.Contains(got, `"version":1`) {
		t.Errorf("by metadata: %d %s", status, got)
	}
	c.steps(t, step{"GET", "/subjects/a/metadata?key=owner&value=cat", "", `404 {"error_code":40403,"message":"Schema not found"}`})
}

func TestNormalizedTextsAreOne(t *testing.T) {
	c := start(t)
	const turned = `{"properties":{},"type":"object"}`
	for body, want := range map[string]string{turned: `"id":1`, `{"type":"object","properties":{}}`: `"id":1`} {
		if status, got := c.do("POST", "/subjects/a/versions?normalize=true", jsonSchema(t, body)); status != 200 || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s", body, status, got)
		}
	}
	if status, _ := c.do("POST", "/subjects/a", jsonSchema(t, `{"type":"object","properties":{}}`)); status != 404 {
		t.Errorf("found without normalize: %d", status)
	}
	if status, _ := c.do("POST", "/subjects/a?normalize=true", jsonSchema(t, `{"type":"object","properties":{}}`)); status != 200 {
		t.Errorf("not found with normalize: %d", status)
	}
}

func TestAnIncompatibleChangeIsRefusedAndExplained(t *testing.T) {
	c := start(t)
	c.do("POST", "/subjects/a/versions", jsonSchema(t, named))
	status, got := c.do("POST", "/subjects/a/versions", jsonSchema(t, demanding))
	if status != 409 || !strings.HasPrefix(got, `{"error_code":409,"message":"Schema being registered is incompatible with an earlier schema for subject \"a\", details: [{errorType:`) {
		t.Errorf("%d %s", status, got)
	}
	for _, part := range []string{`REQUIRED_ATTRIBUTE_ADDED`, `'#/`, `{oldSchemaVersion: 1}`, `{oldSchema: '`, `{validateFields: 'false', compatibility: 'FULL_TRANSITIVE'}`} {
		if !strings.Contains(got, part) {
			t.Errorf("the answer lacks %s: %s", part, got)
		}
	}
	if status, got := c.do("POST", "/compatibility/subjects/a/versions/1?verbose=true", jsonSchema(t, demanding)); status != 200 || !strings.HasPrefix(got, `{"is_compatible":false,"messages":["{errorType:`) {
		t.Errorf("%d %s", status, got)
	}
	c.steps(
		t,
		step{"POST", "/compatibility/subjects/a/versions", named, `200 {"is_compatible":true}`},
		step{"POST", "/compatibility/subjects/a/versions", demanding, `200 {"is_compatible":false}`},
		step{"POST", "/compatibility/subjects/x/versions", named, `200 {"is_compatible":true}`},
		step{"POST", "/compatibility/subjects/x/versions/latest", named, `200 {"is_compatible":true}`},
		step{"POST", "/compatibility/subjects/x/versions/1", named, `404 {"error_code":40401,"message":"Subject 'x' not found."}`},
		step{"POST", "/compatibility/subjects/a/versions/7", named, `404 {"error_code":40402,"message":"Version 7 not found."}`},
		step{"PUT", "/config/a", `{"compatibility":"NONE"}`, `200 {"compatibility":"NONE"}`},
		step{"POST", "/compatibility/subjects/a/versions", demanding, `200 {"is_compatible":true}`},
	)
}
