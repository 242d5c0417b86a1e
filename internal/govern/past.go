package govern

// State is what a file held at some time.
type State struct {
	Name  string
	Where string // "git:main", or the commit that made it so
	Text  []byte // nil where the file was removed
}

// Pasts sorts by schema what files hold now in the place that is compared with, and what they held before, the newest first. Of
// each schema at most "most" releases are kept; left is how many were not. A schema whose file was renamed or moved is one schema.
func Pasts(present, history []State, most int) (all []Past, left int) {
	at := map[string]int{}
	seen := map[string]map[string]bool{}
	add := func(s State, gone bool) {
		if s.Text == nil {
			return
		}
		id := Identity(s.Name, s.Text)
		i, ok := at[id]
		if !ok {
			i = len(all)
			at[id], seen[id] = i, map[string]bool{}
			all = append(all, Past{Name: s.Name, Gone: gone})
		}
		switch {
		case seen[id][string(s.Text)]:
		case len(all[i].Releases) >= most:
			left++
		default:
			all[i].Releases = append(all[i].Releases, Release{s.Where, s.Text})
		}
		seen[id][string(s.Text)] = true
	}
	for _, s := range present {
		add(s, false)
	}
	for _, s := range history {
		add(s, true)
	}
	return all, left
}
