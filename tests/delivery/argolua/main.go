// Runs Lua scripts as Argo CD does: with its engine, its libraries, its limit of time and its way from and to JSON.
//
// It reads jobs from its standard input, a JSON array, and writes what each came to. What Argo CD then makes of the
// values, for a health check or an action, is up to the caller.
//
// Source: argo-cd's util/lua/lua.go and oslib_safe.go.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

const limit = time.Second

type job struct {
	Script string         `json:"script"`
	Object map[string]any `json:"object"`
	// OpenLibs says whether all libraries are there: for built-in scripts, and for a kind with
	// `resource.customizations.useOpenLibs`. Else they are base, package, table and a little of os.
	OpenLibs bool `json:"openLibs"`
}

type result struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error string          `json:"error,omitempty"`
}

func main() {
	log.SetFlags(0)
	var jobs []job
	if err := json.NewDecoder(os.Stdin).Decode(&jobs); err != nil {
		log.Fatal("no jobs: ", err)
	}
	results := make([]result, 0, len(jobs))
	for _, each := range jobs {
		value, err := run(each)
		if err != nil {
			results = append(results, result{Error: err.Error()})
		} else {
			results = append(results, result{Value: value})
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		log.Fatal(err)
	}
}

func run(job job) ([]byte, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: !job.OpenLibs})
	defer state.Close()
	if !job.OpenLibs {
		if err := openSafeLibs(state); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", luajson.DecodeValue(state, job.Object))
	if err := state.DoString(job.Script); err != nil {
		return nil, err
	}
	return luajson.Encode(state.Get(-1))
}

// openSafeLibs opens what a script of a user may use. Of `os` that is `date` and `time`, and only through `require`.
func openSafeLibs(state *lua.LState) error {
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		err := state.CallByParam(lua.P{Fn: state.NewFunction(open), NRet: 0, Protect: true}, lua.LString(name))
		if err != nil {
			return err
		}
	}
	state.PreloadModule(lua.OsLibName, func(state *lua.LState) int {
		full := lua.NewState(lua.Options{})
		defer full.Close()
		safe := state.NewTable()
		for _, name := range []string{"date", "time"} {
			function := full.GetField(full.GetGlobal(lua.OsLibName), name).(*lua.LFunction)
			safe.RawSetString(name, state.NewFunction(function.GFunction))
		}
		state.Push(safe)
		return 1
	})
	return nil
}
