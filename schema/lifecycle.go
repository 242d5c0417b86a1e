package schema

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// life is what a file says about what came before its schema and what comes after.
type life struct {
	file              *lintFile
	topic, supersedes string
	deprecated        bool
}

var majorForm = regexp.MustCompile(`^(.+)\.v([1-9]\d{0,5})$`)

// major parts a topic into its name and its major version.
func major(topic string) (name string, n int, ok bool) {
	m := majorForm.FindStringSubmatch(topic)
	if m == nil {
		return "", 0, false
	}
	n, err := strconv.Atoi(m[2])
	return m[1], n, err == nil
}

// life reads what the file says about its time, and reports what is not well-formed.
func (f *lintFile) life(root object) {
	x, _ := root["x-omnibus"].(object)
	l := life{file: f, topic: text(x, "topic")}
	if _, n, ok := major(l.topic); ok {
		first, _, _ := strings.Cut(text(root, "x-version"), ".")
		if got, err := strconv.Atoi(first); err == nil && got != n {
			f.report("/x-version", "version", fmt.Sprintf(`"x-version" is %s in the schema of major version %d`, text(root, "x-version"), n), fmt.Sprintf("begin it with %d", n))
		}
	}
	if v, ok := root["x-supersedes"]; ok {
		l.supersedes, _ = v.(string)
		f.supersedes(l)
	}
	if v, ok := root["x-deprecated"]; ok {
		l.deprecated = true
		f.deprecated(v)
	}
	if dual, ok := x["dual_publish"]; ok {
		o, _ := dual.(object)
		if _, err := time.Parse(time.DateOnly, text(o, "until")); err != nil || len(o) != 1 {
			f.report("/x-omnibus/dual_publish", "dual_publish", `"dual_publish" does not say until when`, `write {"until": "2027-05-31"}`)
		}
		if l.supersedes == "" {
			f.report("/x-omnibus/dual_publish", "dual_publish", "there is no older version to publish too", `name it in "x-supersedes"`)
		}
	}
	f.lives = append(f.lives, l)
}

func (f *lintFile) supersedes(l life) {
	const at, rule = "/x-supersedes", "supersedes"
	name, n, ok := major(l.topic)
	was, m, known := major(l.supersedes)
	switch {
	case !known:
		f.report(at, rule, `"x-supersedes" is not the topic of a schema`, `write the topic of the version before, such as "omninode.shop.event.stock_changed.v1"`)
	case ok && name == was && m >= n:
		f.report(at, rule, fmt.Sprintf("version %d supersedes version %d", n, m), "name an earlier version")
	}
}

func (f *lintFile) deprecated(v any) {
	const at, rule = "/x-deprecated", "deprecated"
	o, ok := v.(object)
	if !ok {
		f.report(at, rule, `"x-deprecated" is not an object`, `write {"since": "2026-01-01", "sunset": "2026-07-01"}`)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if name != "since" && name != "sunset" {
			f.report(at+pointer([]string{name}), rule, fmt.Sprintf("%q is not known in x-deprecated", name), "use since and sunset")
		}
	}
	day := func(name string) (time.Time, bool) {
		t, err := time.Parse(time.DateOnly, text(o, name))
		if err != nil {
			f.report(at+"/"+name, rule, fmt.Sprintf("%q is not a date", name), `write it as "2026-07-01"`)
		}
		return t, err == nil
	}
	since, a := day("since")
	sunset, b := day("sunset")
	if earliest := since.AddDate(0, 6, 0); a && b && sunset.Before(earliest) {
		f.report(at+"/sunset", rule, "the sunset is less than 6 months after the deprecation", fmt.Sprintf("make it %s or later", earliest.Format(time.DateOnly)))
	}
}

// succession reports what the files do not say of each other: a new major version names the one that it supersedes, which names
// its end.
func (l *linter) succession() {
	lives, heir := map[string]life{}, map[string]string{}
	for _, life := range l.lives {
		lives[life.topic] = life
		if life.supersedes != "" && life.supersedes != life.topic {
			heir[life.supersedes] = life.topic
		}
	}
	for _, life := range l.lives {
		f := life.file
		name, n, ok := major(life.topic)
		for n--; ok && n > 0; n-- {
			before := name + ".v" + strconv.Itoa(n)
			if _, declared := lives[before]; declared && life.supersedes == "" {
				f.report("", "supersedes", "it does not say that it supersedes "+before, fmt.Sprintf("add %q: %q", "x-supersedes", before))
				break
			}
		}
		if was, _, known := major(life.supersedes); known && lives[life.supersedes].file == nil {
			if was == name {
				f.report("/x-supersedes", "supersedes", "the superseded schema "+life.supersedes+" is not there", "name one that is there, or remove it once its sunset is over")
			} else {
				f.warn("/x-supersedes", "supersedes", "the superseded schema "+life.supersedes+" is not among these files", "name one that is there, or remove it once its sunset is over")
			}
		}
		switch next, superseded := heir[life.topic]; {
		case superseded && !life.deprecated:
			f.report("", "deprecated", next+" supersedes it, and it does not say until when it is there", `add "x-deprecated": {"since": …, "sunset": …}, with at least 6 months between`)
		case life.deprecated && !superseded:
			f.warn("/x-deprecated", "deprecated", "nothing supersedes it", `say in another schema "x-supersedes": `+strconv.Quote(life.topic))
		}
	}
}
