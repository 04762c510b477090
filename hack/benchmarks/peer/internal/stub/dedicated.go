package stub

import (
	"encoding/json"
	"net/http"
)

const (
	newServices = "/api/atlas/v2/groups/{project}/privateEndpoint/endpointService"
	services    = "/api/atlas/v2/groups/{project}/privateEndpoint/" + providerName + "/endpointService"
	oneService  = services + "/{service}"
	oneEndpoint = oneService + "/endpoint/{endpoint}"
)

// serveDedicated serves the private endpoints of dedicated clusters, with the status codes that were recorded.
func (s *server) serveDedicated(mux *http.ServeMux) {
	mux.HandleFunc("GET "+services, s.listServices)
	mux.HandleFunc("POST "+newServices, s.createService)
	mux.HandleFunc("PATCH "+newServices+"/{service}", s.updateService)
	mux.HandleFunc("GET "+oneService, s.getService)
	mux.HandleFunc("DELETE "+oneService, s.deleteService)
	mux.HandleFunc("POST "+oneService+"/endpoint", s.register)
	mux.HandleFunc("GET "+oneEndpoint, s.getRegistered)
	mux.HandleFunc("DELETE "+oneEndpoint, s.deregister)
}

func (s *server) listServices(answer http.ResponseWriter, request *http.Request) {
	s.came(List, "")
	if s.admitted(answer, request) {
		write(answer, http.StatusOK, mediaType, s.services.List(request.PathValue("project")))
	}
}

func (s *server) getService(answer http.ResponseWriter, request *http.Request) {
	id := request.PathValue("service")
	s.came(Get, id)
	if s.admitted(answer, request) {
		service, found := s.services.Get(request.PathValue("project"), id)
		writeService(answer, http.StatusOK, service, found)
	}
}

func (s *server) createService(answer http.ResponseWriter, request *http.Request) {
	var wanted struct {
		ProviderName string `json:"providerName"`
		Region       string `json:"region"`
	}
	err := json.NewDecoder(request.Body).Decode(&wanted)
	s.came(Post, wanted.Region)
	if !s.admitted(answer, request) {
		return
	}
	if err != nil || wanted.ProviderName != providerName || wanted.Region == "" {
		refuse(answer, http.StatusBadRequest, "INVALID_ATTRIBUTE", "The body is no service of "+providerName+".")
		return
	}
	service, isNew := s.services.Create(request.PathValue("project"), wanted.Region)
	if !isNew {
		refuse(answer, http.StatusConflict, "PRIVATE_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION", "The region has one.")
		return
	}
	writeService(answer, http.StatusCreated, service, true)
}

func (s *server) updateService(answer http.ResponseWriter, request *http.Request) {
	id := request.PathValue("service")
	s.came(Patch, id)
	if !s.admitted(answer, request) {
		return
	}
	var change struct {
		SupportedRemoteRegions []string `json:"supportedRemoteRegions"`
	}
	if err := json.NewDecoder(request.Body).Decode(&change); err != nil {
		refuse(answer, http.StatusBadRequest, "INVALID_ATTRIBUTE", "The body is no change of a service.")
		return
	}
	service, found := s.services.Update(request.PathValue("project"), id, change.SupportedRemoteRegions)
	writeService(answer, http.StatusAccepted, service, found)
}

func (s *server) deleteService(answer http.ResponseWriter, request *http.Request) {
	id := request.PathValue("service")
	s.came(Delete, id)
	if s.admitted(answer, request) {
		writeNothing(answer, s.services.Delete(request.PathValue("project"), id))
	}
}

func (s *server) register(answer http.ResponseWriter, request *http.Request) {
	var wanted struct {
		ID string `json:"id"`
	}
	err := json.NewDecoder(request.Body).Decode(&wanted)
	s.came(Post, wanted.ID)
	if !s.admitted(answer, request) {
		return
	}
	if err != nil || wanted.ID == "" {
		refuse(answer, http.StatusBadRequest, "INVALID_ATTRIBUTE", "The body is no endpoint.")
		return
	}
	if !s.services.Register(request.PathValue("project"), request.PathValue("service"), wanted.ID) {
		refuse(answer, http.StatusConflict, "PRIVATE_ENDPOINT_ALREADY_EXISTS", "The service is missing or has it.")
		return
	}
	write(answer, http.StatusCreated, mediaType, registered(wanted.ID))
}

func (s *server) getRegistered(answer http.ResponseWriter, request *http.Request) {
	id := request.PathValue("endpoint")
	s.came(Get, id)
	if !s.admitted(answer, request) {
		return
	}
	if !s.services.Has(request.PathValue("project"), request.PathValue("service"), id) {
		refuse(answer, http.StatusNotFound, "PRIVATE_ENDPOINT_NOT_FOUND", "There is no such endpoint.")
		return
	}
	write(answer, http.StatusOK, mediaType, registered(id))
}

func (s *server) deregister(answer http.ResponseWriter, request *http.Request) {
	id := request.PathValue("endpoint")
	s.came(Delete, id)
	if s.admitted(answer, request) {
		writeNothing(answer, s.services.Deregister(request.PathValue("project"), request.PathValue("service"), id))
	}
}

// registered is an endpoint as Atlas shows it.
func registered(id string) map[string]any {
	return map[string]any{
		"cloudProvider": providerName, "connectionStatus": available, "deleteRequested": false, "errorMessage": nil,
		"interfaceEndpointId": id,
	}
}

func writeService(answer http.ResponseWriter, status int, service Service, found bool) {
	if !found {
		refuse(answer, http.StatusNotFound, "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND", "There is no such service.")
		return
	}
	write(answer, status, mediaType, service)
}

func writeNothing(answer http.ResponseWriter, found bool) {
	if !found {
		refuse(answer, http.StatusNotFound, "PRIVATE_ENDPOINT_NOT_FOUND", "There is nothing with this ID.")
		return
	}
	write(answer, http.StatusAccepted, mediaType, map[string]any{})
}
