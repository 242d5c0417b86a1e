package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"go.yaml.in/yaml/v3"
)

// defaultProfile is the profile where nothing chooses one; it need not be there.
const defaultProfile = "default"

// userFile is the settings file of a user: profiles, and which of them is in use.
type userFile struct {
	path     string // "" where there is no home directory
	from     string // what named the path
	there    bool
	doc      yaml.Node // of the whole file, so that writing keeps comments
	inUse    origin    // what the file says is in use; from is "" where it does not
	profiles map[string]profile
}

// profile is a named set of settings.
type profile struct {
	where  string // file and line
	values map[string]origin
}

// userFilePath is where the file of the user is: the flag, OMNIBUS_CONFIG, or the place by the XDG rules.
func userFilePath(dir string, env environment, given map[string]string) (path, from string) {
	in := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	if v := given["config"]; v != "" {
		return in(v), "flag --config"
	}
	if v, ok := env.lookup("OMNIBUS_CONFIG"); ok && v != "" {
		return in(v), "environment OMNIBUS_CONFIG"
	}
	if v, ok := env.lookup("XDG_CONFIG_HOME"); ok && filepath.IsAbs(v) {
		return filepath.Join(v, "omnibus", "config.yaml"), "environment XDG_CONFIG_HOME"
	}
	if v, ok := env.lookup("HOME"); ok && v != "" {
		return filepath.Join(v, ".config", "omnibus", "config.yaml"), "default"
	}
	return "", ""
}

// readUserFile reads the file of the user. One that is not there is empty.
func readUserFile(path, from string) (userFile, error) {
	u := userFile{path: path, from: from, profiles: map[string]profile{}}
	if path == "" {
		return u, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return u, nil
	}
	if err != nil {
		return u, fail(codeSettings, "cannot read %s", path).because("%s", plainPathError(err)).fix("make it readable, or remove it")
	}
	u.there = true
	root, err := rootMapping(path, b, &u.doc)
	if err != nil || root == nil {
		return u, err
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		where := fmt.Sprintf("%s:%d", path, key.Line)
		switch key.Value {
		case "profile":
			name, ok := scalar(value)
			if !ok {
				return u, fail(codeSettings, "%s: key \"profile\" needs the name of a profile", where).fix("profile: NAME").fix("omnibus config use NAME")
			}
			u.inUse = origin{where, name}
		case "profiles":
			if err := u.readProfiles(where, value); err != nil {
				return u, err
			}
		default:
			return u, fail(codeSettings, "%s: unknown key %q", where, key.Value).meant(key.Value, []string{"profile", "profiles"}).
				because("settings belong into a profile, below \"profiles:\"").fix("omnibus config set %s=VALUE writes it there", key.Value)
		}
	}
	return u, nil
}

func (u *userFile) readProfiles(where string, value *yaml.Node) error {
	if value.Kind == yaml.ScalarNode && value.Tag == "!!null" {
		return nil
	}
	if value.Kind != yaml.MappingNode {
		return fail(codeSettings, "%s: key \"profiles\" needs one mapping for each profile", where).fix("omnibus config set --profile NAME KEY=VALUE writes one")
	}
	for i := 0; i+1 < len(value.Content); i += 2 {
		name, settings := value.Content[i], value.Content[i+1]
		at := fmt.Sprintf("%s:%d", u.path, name.Line)
		if _, twice := u.profiles[name.Value]; twice {
			return fail(codeSettings, "%s: profile %q is there twice", at, name.Value).fix("keep one of them")
		}
		p := profile{where: at, values: map[string]origin{}}
		switch {
		case settings.Kind == yaml.MappingNode:
			var err error
			if p.values, err = settingsIn(u.path, settings); err != nil {
				return err
			}
		case settings.Kind != yaml.ScalarNode || settings.Tag != "!!null":
			return fail(codeSettings, "%s: profile %q is not a mapping", at, name.Value).fix("write one \"key: value\" a line below it")
		}
		u.profiles[name.Value] = p
	}
	return nil
}

func (u *userFile) names() []string {
	var names []string
	for name := range sorted(u.profiles) {
		names = append(names, name)
	}
	return names
}

// choose is the profile of this run: the flag, the environment, the project's file, or what the user's file says is in use.
// One that was named has to be there.
func (u *userFile) choose(env environment, given map[string]string, project map[string]origin) (origin, profile, error) {
	named := u.inUse
	if v, ok := project["profile"]; ok {
		named = v
	}
	if v, ok := env.lookup("OMNIBUS_PROFILE"); ok && v != "" {
		named = origin{"environment OMNIBUS_PROFILE", v}
	}
	if v := given["profile"]; v != "" {
		named = origin{"flag --profile", v}
	}
	if named.from == "" {
		return origin{"default", defaultProfile}, u.profiles[defaultProfile], nil
	}
	p, ok := u.profiles[named.value]
	if !ok && named.value != defaultProfile {
		return named, p, u.noProfile(named)
	}
	return named, p, nil
}

func (u *userFile) noProfile(named origin) error {
	f := fail(codeProfile, "there is no profile %q", clip(named.value, 60)).at("where", "%s", named.from).at("file", "%s", u.path)
	if len(u.profiles) == 0 {
		f.because("the file has no profiles")
	} else {
		f.because("the file has: %s", clip(fmt.Sprint(u.names()), 200))
	}
	return f.meant(named.value, u.names()).fix("omnibus config list").
		fix("omnibus config set --profile %s bootstrap=HOST:PORT makes it", shellWord(named.value))
}

// writeWhole puts the file in place as a whole, readable by its owner only.
func writeWhole(path string, b []byte) error {
	cannot := func(err error) error {
		return fail(codeWrite, "cannot write %s", path).because("%s", plainPathError(err)).
			fix("make the directory writable").fix("--config FILE, or OMNIBUS_CONFIG, with another file")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return cannot(err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".omnibus-*.yaml")
	if err != nil {
		return cannot(err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // after the rename there is none
	_, err = f.Write(b)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return cannot(err)
	}
	return nil
}

// setIn sets, or with an empty value removes, a key of a mapping, and tells whether the mapping is different now.
func setIn(m *yaml.Node, key, value string) bool {
	at := slices.IndexFunc(m.Content, func(n *yaml.Node) bool { return n.Value == key })
	for at >= 0 && at%2 == 1 { // a value that looks like the key
		next := slices.IndexFunc(m.Content[at+1:], func(n *yaml.Node) bool { return n.Value == key })
		if next < 0 {
			at = -1
		} else {
			at += 1 + next
		}
	}
	switch {
	case at < 0 && value == "":
		return false
	case at < 0:
		m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, textNode(value))
		return true
	case value == "":
		m.Content = slices.Delete(m.Content, at, at+2)
		return true
	}
	before, _ := scalar(m.Content[at+1])
	node := textNode(value)
	node.LineComment, node.HeadComment, node.FootComment = m.Content[at+1].LineComment, m.Content[at+1].HeadComment, m.Content[at+1].FootComment
	m.Content[at+1] = node
	return before != value
}

// textNode is a value that is read back as the text that it is.
func textNode(value string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(value)
	return n
}

// mappingIn is the mapping below a key, made where it is not there.
func mappingIn(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			if m.Content[i+1].Kind != yaml.MappingNode {
				m.Content[i+1] = &yaml.Node{Kind: yaml.MappingNode}
			}
			return m.Content[i+1]
		}
	}
	made := &yaml.Node{Kind: yaml.MappingNode}
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, made)
	return made
}

// topOf is the mapping of a file, made where the file is empty.
func topOf(doc *yaml.Node) *yaml.Node {
	if len(doc.Content) == 0 {
		*doc = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	return doc.Content[0]
}
