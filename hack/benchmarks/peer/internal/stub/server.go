package stub

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

const (
	mediaType     = "application/vnd.atlas.2023-01-01+json"
	collection    = "/api/atlas/v2/groups/{project}/privateEndpoint/serverless/instance/{instance}/endpoint"
	item          = collection + "/{endpoint}"
	tokenLifetime = 3600 // seconds, as Atlas's
)

// Handler serves the Admin API as far as operators use it here, and under /_stub/ what a benchmark needs.
func Handler(latency time.Duration) http.Handler {
	server := &server{latency: latency}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/oauth/token", server.token)
	mux.HandleFunc("GET "+collection, server.list)
	mux.HandleFunc("GET "+item, server.get)
	mux.HandleFunc("PATCH "+item, server.patch)
	server.serveDedicated(mux)
	mux.HandleFunc("PUT /_stub/world", server.replaceWorld)
	mux.HandleFunc("PUT /_stub/limit", server.setLimit)
	mux.HandleFunc("GET /_stub/calls", server.reportCalls)
	mux.HandleFunc("DELETE /_stub/calls", server.forgetCalls)
	return mux
}

type server struct {
	latency  time.Duration
	world    World
	services Services
	limit    Limit
	calls    Calls
}

func (s *server) token(answer http.ResponseWriter, _ *http.Request) {
	s.came(Token, "")
	write(answer, http.StatusOK, "application/json", map[string]any{
		"access_token": "stub", "expires_in": tokenLifetime, "token_type": "Bearer",
	})
}

func (s *server) list(answer http.ResponseWriter, request *http.Request) {
	s.came(List, "")
	if s.admitted(answer, request) {
		write(answer, http.StatusOK, mediaType, s.world.List(instanceOf(request)))
	}
}

func (s *server) get(answer http.ResponseWriter, request *http.Request) {
	id := request.PathValue("endpoint")
	s.came(Get, id)
	if s.admitted(answer, request) {
		endpoint, found := s.world.Get(instanceOf(request), id)
		writeEndpoint(answer, endpoint, found)
	}
}

func (s *server) patch(answer http.ResponseWriter, request *http.Request) {
	id := request.PathValue("endpoint")
	s.came(Patch, id)
	if !s.admitted(answer, request) {
		return
	}
	var change Change
	if err := json.NewDecoder(request.Body).Decode(&change); err != nil || change.ProviderName == "" {
		refuse(answer, http.StatusBadRequest, "INVALID_ATTRIBUTE", "The body is no change of an endpoint.")
		return
	}
	endpoint, found := s.world.Update(instanceOf(request), id, change)
	writeEndpoint(answer, endpoint, found)
}

func (s *server) replaceWorld(answer http.ResponseWriter, request *http.Request) {
	var contents struct {
		Instances []Population        `json:"instances"`
		Services  []ServicePopulation `json:"services"`
	}
	if err := json.NewDecoder(request.Body).Decode(&contents); err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	s.world.Replace(contents.Instances)
	s.services.Replace(contents.Services)
	answer.WriteHeader(http.StatusNoContent)
}

func (s *server) setLimit(answer http.ResponseWriter, request *http.Request) {
	var calls int
	if err := json.NewDecoder(request.Body).Decode(&calls); err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	s.limit.Set(calls)
	answer.WriteHeader(http.StatusNoContent)
}

func (s *server) reportCalls(answer http.ResponseWriter, _ *http.Request) {
	write(answer, http.StatusOK, "application/json", s.calls.Report())
}

func (s *server) forgetCalls(answer http.ResponseWriter, _ *http.Request) {
	s.calls.Forget()
	answer.WriteHeader(http.StatusNoContent)
}

// came counts a call and takes the time that Atlas takes.
func (s *server) came(kind Kind, id string) {
	s.calls.Count(kind, id)
	time.Sleep(s.latency)
}

func instanceOf(request *http.Request) Instance {
	return Instance{ProjectID: request.PathValue("project"), Name: request.PathValue("instance")}
}

// admitted accepts any token, but none is none, and the calls that the limit of the project permits.
func (s *server) admitted(answer http.ResponseWriter, request *http.Request) bool {
	if !strings.HasPrefix(request.Header.Get("Authorization"), "Bearer ") {
		refuse(answer, http.StatusUnauthorized, "NO_CURRENT_USER", "A token is needed.")
		return false
	}
	if !s.limit.Admit(request.PathValue("project")) {
		s.calls.Count(Refused, "")
		answer.Header().Set("Retry-After", "1")
		refuse(answer, http.StatusTooManyRequests, "RATE_LIMITED", "The project has used its calls of this second.")
		return false
	}
	return true
}

func writeEndpoint(answer http.ResponseWriter, endpoint Endpoint, found bool) {
	if !found {
		refuse(answer, http.StatusNotFound, "SERVERLESS_PRIVATE_ENDPOINT_NOT_FOUND", "There is no such endpoint.")
		return
	}
	write(answer, http.StatusOK, mediaType, endpoint)
}

func refuse(answer http.ResponseWriter, status int, code, detail string) {
	write(answer, status, "application/json", map[string]any{"error": status, "errorCode": code, "detail": detail})
}

func write(answer http.ResponseWriter, status int, contentType string, body any) {
	answer.Header().Set("Content-Type", contentType)
	answer.WriteHeader(status)
	_ = json.NewEncoder(answer).Encode(body) // a client that has gone is no concern of ours
}
