package stub

import (
	"sync"
	"time"
)

// Limit admits so many calls for each project in each second. What a project does not use is lost.
type Limit struct {
	mutex  sync.Mutex
	calls  int // 0: no limit
	second int64
	used   map[string]int
}

// Set changes how many calls it admits.
func (l *Limit) Set(calls int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.calls = calls
}

// Admit returns whether a call for a project is admitted now, and counts it then.
func (l *Limit) Admit(project string) bool {
	now := time.Now().Unix()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.calls == 0 {
		return true
	}
	if now != l.second {
		l.second, l.used = now, map[string]int{}
	}
	if l.used[project] >= l.calls {
		return false
	}
	l.used[project]++
	return true
}
